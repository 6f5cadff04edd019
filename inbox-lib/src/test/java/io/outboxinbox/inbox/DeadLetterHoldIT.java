package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.RetryOutcome.Status;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Consumers and operators at the same key at the same time: nothing lost, nothing overtaken. */
class DeadLetterHoldIT {
  private static final String KEY = "k";

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private final ExecutorService others = Executors.newCachedThreadPool();
  private final CountDownLatch isHandling = new CountDownLatch(1);
  private final CountDownLatch mayEnd = new CountDownLatch(1);
  private final AtomicInteger calls = new AtomicInteger();
  private final MessageHandler slow =
      (connection, message) -> {
        calls.incrementAndGet();
        isHandling.countDown();
        mayEnd.await();
        DeadLetterBench.NOTE.handle(connection, message);
      };

  private DeadLetterBench bench;
  private DeadLetters letters;

  @BeforeEach
  void setUp() throws Exception {
    bench = new DeadLetterBench(InboxDatabase.create(postgres));
    letters = bench.letters;
  }

  @AfterEach
  void tearDown() throws Exception {
    others.shutdownNow();
    bench.close();
  }

  @Test
  void runsTheHandlerOnceForTwoWhoRetryAtTheSameTime() throws Exception {
    for (String key : new String[] {KEY, null}) {
      long id = bench.fail(key, "front of " + key);
      Future<RetryOutcome> first = others.submit(() -> letters.retry(bench.transactions, id, slow));
      isHandling.await();
      Future<RetryOutcome> second =
          others.submit(() -> letters.retry(bench.transactions, id, slow));
      Future<RetryOutcome> forced =
          others.submit(() -> letters.retryByForce(bench.transactions, id, slow));
      if (key != null) {
        awaitWaiting(2);
      }
      mayEnd.countDown();
      List<Status> statuses = new ArrayList<>();
      for (Future<RetryOutcome> outcome : List.of(first, second, forced)) {
        statuses.add(get(outcome).status());
      }
      assertThat(statuses).containsExactlyInAnyOrder(Status.DONE, Status.GONE, Status.GONE);
    }
    assertThat(calls).hasValue(2);
  }

  @Test
  void makesADiscardWaitForTheRetryAndFindNothing() throws Exception {
    long id = bench.fail(KEY, "front");
    Future<RetryOutcome> retry = others.submit(() -> letters.retry(bench.transactions, id, slow));
    isHandling.await();
    Future<Boolean> discard =
        others.submit(() -> letters.discard(bench.transactions, id, "too late"));
    awaitWaiting(1);
    mayEnd.countDown();
    assertThat(get(retry).status()).isEqualTo(Status.DONE);
    assertThat(get(discard)).isFalse();
  }

  @Test
  void letsAMessageFlowThatComesWhileTheLastOneIsRetried() throws Exception {
    long id = bench.fail(KEY, "front");
    Future<RetryOutcome> retry = others.submit(() -> letters.retry(bench.transactions, id, slow));
    isHandling.await();
    Future<?> arrival = others.submit(() -> receive("next"));
    awaitWaiting(1);
    mayEnd.countDown();
    assertThat(get(retry).status()).isEqualTo(Status.DONE);
    get(arrival);
    assertThat(bench.notes()).containsExactly("front", "next");
    assertThat(bench.count()).isZero();
  }

  @Test
  void queuesAMessageThatComesWhileTheLastOneFailsAgain() throws Exception {
    long id = bench.fail(KEY, "front");
    MessageHandler failing =
        (connection, message) -> {
          slow.handle(connection, message);
          throw new IllegalStateException("still no stock");
        };
    Future<RetryOutcome> retry =
        others.submit(() -> letters.retry(bench.transactions, id, failing));
    isHandling.await();
    Future<?> arrival = others.submit(() -> receive("next"));
    awaitWaiting(1);
    mayEnd.countDown();
    assertThat(get(retry).status()).isEqualTo(Status.FAILED);
    get(arrival);
    assertThat(bench.notes()).isEmpty();
    letters.retryKey(
        bench.transactions, "orders", DeadLetterBench.bytes(KEY), DeadLetterBench.NOTE);
    assertThat(bench.notes()).containsExactly("front", "next");
  }

  @Test
  void keepsTheKeyHeldForAMessageThatIsJustBeingQueued() throws Exception {
    long id = bench.fail(KEY, "front");
    try (Connection consumer = bench.database.connect()) {
      assertThat(letters.isHeld(consumer, "orders", DeadLetterBench.bytes(KEY))).isTrue();
      Future<RetryOutcome> retry =
          others.submit(() -> letters.retry(bench.transactions, id, DeadLetterBench.NOTE));
      awaitWaiting(1);
      letters.addBehind(consumer, bench.envelope(KEY, "next"), InboxDatabase.newId());
      consumer.commit();
      assertThat(get(retry).status()).isEqualTo(Status.DONE);
    }
    receive("last");
    assertThat(bench.notes()).containsExactly("front");
    letters.retryKey(
        bench.transactions, "orders", DeadLetterBench.bytes(KEY), DeadLetterBench.NOTE);
    assertThat(bench.notes()).containsExactly("front", "next", "last");
  }

  /**
   * Of three who want the front, the first, a consumer that has lost its partition, queues a
   * message, the second settles the front, and the third must see what the first has queued, though
   * its statement is older than that.
   */
  @Test
  void seesAMessageThatWasQueuedWhileItWaitedForTheFront() throws Exception {
    long id = bench.fail(KEY, "front");
    try (Connection zombie = bench.database.connect()) {
      letters.isHeld(zombie, "orders", DeadLetterBench.bytes(KEY));
      Future<RetryOutcome> retry =
          others.submit(() -> letters.retry(bench.transactions, id, DeadLetterBench.NOTE));
      awaitWaiting(1);
      Future<?> arrival = others.submit(() -> receive("last"));
      awaitWaiting(2);
      letters.addBehind(zombie, bench.envelope(KEY, "next"), InboxDatabase.newId());
      zombie.commit();
      assertThat(get(retry).status()).isEqualTo(Status.DONE);
      get(arrival);
    }
    assertThat(bench.notes()).containsExactly("front");
    assertThat(bench.count()).isEqualTo(2);
  }

  /** A consumer whose handler fails now and then, and three operators who retry what it leaves. */
  @ParameterizedTest
  @ValueSource(strings = {"read committed", "repeatable read"})
  void keepsTheOrderOfAKeyWhateverComesTogether(String isolation) throws Exception {
    int messages = 400;
    long seed = System.nanoTime();
    System.out.println("DeadLetterHoldIT seed " + seed);
    bench.database.execute(
        "ALTER DATABASE \""
            + bench.database.database().name()
            + "\" SET default_transaction_isolation = '"
            + isolation
            + "'");
    AtomicBoolean isOver = new AtomicBoolean();
    List<Future<?>> operators = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      Random random = new Random(seed + i);
      operators.add(
          others.submit(
              () -> {
                while (!isOver.get()) {
                  retryKey(random, 3);
                }
                return null;
              }));
    }
    Random random = new Random(seed - 1);
    for (int i = 1; i <= messages; i++) {
      receiveOrFail(String.valueOf(i), random.nextInt(4) == 0);
    }
    isOver.set(true);
    for (Future<?> operator : operators) {
      get(operator);
    }
    retryKey(random, 0);
    assertThat(bench.count()).isZero();
    assertThat(bench.notes())
        .as("seed " + seed)
        .containsExactlyElementsOf(
            IntStream.rangeClosed(1, messages).mapToObj(String::valueOf).toList());
  }

  /** Retries the key with a handler that fails in one of so many calls; 0 for never. */
  private void retryKey(Random random, int failsInOneOf) throws Exception {
    MessageHandler handler =
        (connection, message) -> {
          DeadLetterBench.NOTE.handle(connection, message);
          if (failsInOneOf > 0 && random.nextInt(failsInOneOf) == 0) {
            throw new IllegalStateException("by chance");
          }
        };
    try {
      letters.retryKey(bench.transactions, "orders", DeadLetterBench.bytes(KEY), handler);
    } catch (java.sql.SQLException e) {
      // At REPEATABLE READ a retry may lose against the others as often as it is run again.
      assertThat(RetryAdvice.of(e)).isEqualTo(RetryAdvice.AGAIN);
    }
  }

  private void receiveOrFail(String text, boolean isFailing) throws Exception {
    MessageId id = InboxDatabase.newId();
    Envelope envelope = bench.envelope(KEY, text);
    bench.transactions.<Boolean, Exception>runThroughConflicts(
        100,
        connection -> {
          bench.inbox.admit(connection, id);
          if (letters.isHeld(connection, "orders", envelope.key())) {
            letters.addBehind(connection, envelope, id);
          } else if (isFailing) {
            letters.add(connection, envelope, id, DeadLetterBench.FAILURE);
          } else {
            DeadLetterBench.note(connection, text);
          }
          return true;
        });
  }

  private Void receive(String text) throws Exception {
    receiveOrFail(text, false);
    return null;
  }

  /** Until so many sessions of this database wait for a lock. */
  private void awaitWaiting(int sessions) {
    Awaitility.await()
        .atMost(Duration.ofMinutes(2))
        .pollInterval(Duration.ofMillis(10))
        .until(
            () ->
                bench.database.number(
                        "SELECT count(*) FROM pg_stat_activity"
                            + " WHERE datname = current_database() AND wait_event_type = 'Lock'")
                    == sessions);
  }

  private static <T> T get(Future<T> future) throws Exception {
    return future.get(120, TimeUnit.SECONDS);
  }
}
