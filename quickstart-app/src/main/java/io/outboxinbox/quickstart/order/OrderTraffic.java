package io.outboxinbox.quickstart.order;

import io.outboxinbox.quickstart.order.OrderService.Change;
import io.outboxinbox.quickstart.order.OrderService.PaymentRefusedException;
import io.outboxinbox.quickstart.proof.EventKey;
import io.outboxinbox.quickstart.proof.Ledger;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Customers: a steady number of order changes a second, spread over a few threads. Each thread has
 * its own open orders, so the changes of one order follow each other. The main thread starts and
 * stops it.
 */
public final class OrderTraffic implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(OrderTraffic.class);

  /**
   * A commit waits for the disk: one thread manages some hundred a second, or few on a busy
   * machine.
   */
  private static final int EVENTS_PER_WRITER = 50;

  private static final int WRITERS_MIN = 2;
  private static final int WRITERS_MAX = 32;

  /** Orders a thread has open at once; each is a message key of its own. */
  private static final int OPEN_ORDERS = 10;

  /** Every so often a customer cannot pay, and the transaction with its event is rolled back. */
  private static final int REFUSED_ONE_IN = 25;

  private static final long CATCH_UP_NANOS_MAX = TimeUnit.MILLISECONDS.toNanos(200);
  private static final int QUANTITY_MAX = 5;
  private static final Duration STOPPED_WITHIN = Duration.ofSeconds(10);

  private final OrderService service;
  private final Ledger ledger;
  private final List<String> skus;
  private final List<Thread> writers = new ArrayList<>();
  private final AtomicLong failures = new AtomicLong();
  private volatile @Nullable String lastFailure;
  private volatile boolean running = true;

  public OrderTraffic(OrderService service, Ledger ledger, List<String> skus) {
    this.service = service;
    this.ledger = ledger;
    this.skus = List.copyOf(skus);
  }

  /** How many threads, and so database connections, a rate takes. */
  public static int writersFor(int eventsPerSecond) {
    return Math.max(WRITERS_MIN, Math.min(WRITERS_MAX, eventsPerSecond / EVENTS_PER_WRITER));
  }

  public void start(int eventsPerSecond, long seed) {
    int count = writersFor(eventsPerSecond);
    long betweenNanos = TimeUnit.SECONDS.toNanos(count) / eventsPerSecond;
    for (int n = 0; n < count; n++) {
      Random random = new Random(seed + n);
      long first = System.nanoTime() + betweenNanos * n / count;
      Thread writer =
          new Thread(() -> write(random, first, betweenNanos), "quickstart-orders-" + n);
      writers.add(writer);
      writer.start();
    }
  }

  /** Transactions that failed against our will. */
  public long failures() {
    return failures.get();
  }

  /** Why the last of them failed; null if none did. */
  public @Nullable String lastFailure() {
    return lastFailure;
  }

  /** Ends after the transactions under way. May be called twice. */
  @Override
  public void close() {
    running = false;
    try {
      for (Thread writer : writers) {
        writer.join(STOPPED_WITHIN.toMillis());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void write(Random random, long first, long betweenNanos) {
    Deque<Change> open = new ArrayDeque<>();
    long next = first;
    while (running) {
      long wait = next - System.nanoTime();
      if (wait > 0) {
        LockSupport.parkNanos(wait);
        continue;
      }
      // After a standstill go on from now; a burst would measure the burst.
      next = Math.max(next, System.nanoTime() - CATCH_UP_NANOS_MAX) + betweenNanos;
      try {
        step(open, random);
      } catch (SQLException | RuntimeException e) {
        // One line to the log, a count on the screen, and on: a shop does not close for one error.
        failures.incrementAndGet();
        lastFailure = e.getMessage();
        log.warn("an order could not be written", e);
      }
    }
  }

  private void step(Deque<Change> open, Random random) throws SQLException {
    Change oldest = open.size() < OPEN_ORDERS ? null : open.poll();
    Change change;
    if (oldest == null) {
      String sku = skus.get(random.nextInt(skus.size()));
      change = service.place(sku, 1 + random.nextInt(QUANTITY_MAX));
    } else if (oldest.version() == 1) {
      try {
        change = service.pay(oldest.orderId(), random.nextInt(REFUSED_ONE_IN) != 0);
      } catch (PaymentRefusedException refused) {
        ledger.rolledBack();
        open.add(oldest);
        return;
      }
    } else {
      change = service.ship(oldest.orderId());
    }
    ledger.committed(
        new EventKey(change.orderId(), change.version()), change.eventId(), System.nanoTime());
    if (change.version() < EventKey.VERSIONS) {
      open.add(change);
    }
  }
}
