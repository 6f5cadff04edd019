package io.outboxinbox.quickstart.inventory;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps stock by listening to orders. The ids of the messages and their effects are committed in
 * one database transaction, and only then the offsets, so that a message that comes again does
 * nothing.
 *
 * <p>Works on a thread of its own between {@link #start} and {@link #close}. The data source hands
 * out connections with auto-commit off and belongs to the caller.
 */
public final class InventoryService implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(InventoryService.class);
  private static final Duration POLL = Duration.ofMillis(500);
  private static final Duration CLOSED_WITHIN = Duration.ofSeconds(5);
  private static final long RETRY_AFTER_SECONDS = 1;

  /** Is told what happens to each message, on the service's thread. */
  public interface Watcher {
    void received(OrderEvent event, long nanoTime);

    /** After the commit. */
    void applied(OrderEvent event, boolean first, long nanoTime);
  }

  private final String bootstrapServers;
  private final String topic;
  private final DataSource inventory;
  private final Watcher watcher;
  private final Thread thread = new Thread(this::runUntilClosed, "quickstart-inventory");
  private volatile @Nullable KafkaConsumer<String, byte[]> current;
  private volatile @Nullable String lastFailure;
  private volatile boolean running = true;

  public InventoryService(
      String bootstrapServers, String topic, DataSource inventory, Watcher watcher) {
    this.bootstrapServers = bootstrapServers;
    this.topic = topic;
    this.inventory = inventory;
    this.watcher = watcher;
  }

  public void start() {
    thread.start();
  }

  /** Why messages could not be handled; null if all is well. */
  public @Nullable String lastFailure() {
    return lastFailure;
  }

  /** Ends after the batch under way. May be called twice, and before start. */
  @Override
  public void close() {
    running = false;
    KafkaConsumer<String, byte[]> polling = current;
    if (polling != null) {
      polling.wakeup();
    }
    try {
      thread.join(CLOSED_WITHIN.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void runUntilClosed() {
    while (running) {
      try (KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(settings())) {
        current = consumer;
        consumer.subscribe(List.of(topic));
        consumeUntilClosed(consumer);
      } catch (WakeupException closing) {
        log.debug("woken up to close");
      } catch (SQLException | RuntimeException e) {
        // A new consumer starts at the committed offset: what was not committed comes again.
        log.warn("inventory: messages of {} could not be handled, trying again", topic, e);
        lastFailure = e.getMessage();
        pause();
      } finally {
        current = null;
      }
    }
  }

  private void consumeUntilClosed(KafkaConsumer<String, byte[]> consumer) throws SQLException {
    while (running) {
      ConsumerRecords<String, byte[]> messages = consumer.poll(POLL);
      if (!messages.isEmpty()) {
        handle(messages);
        // Not awaited: a lost offset only makes messages come again.
        consumer.commitAsync();
        lastFailure = null;
      }
    }
  }

  private void handle(ConsumerRecords<String, byte[]> messages) throws SQLException {
    long receivedAt = System.nanoTime();
    List<OrderEvent> events = new ArrayList<>(messages.count());
    for (ConsumerRecord<String, byte[]> message : messages) {
      OrderEvent event = OrderEvent.of(message);
      watcher.received(event, receivedAt);
      events.add(event);
    }
    Set<UUID> unknown = commitEffects(events);
    long appliedAt = System.nanoTime();
    for (OrderEvent event : events) {
      // The first message of an id counts, the others of the same batch are repeats.
      watcher.applied(event, unknown.remove(event.id()), appliedAt);
    }
  }

  /**
   * The inbox in its simplest form.
   *
   * @return ids of the messages that took effect
   */
  private Set<UUID> commitEffects(List<OrderEvent> events) throws SQLException {
    try (Connection connection = inventory.getConnection()) {
      try {
        List<UUID> ids = events.stream().map(OrderEvent::id).toList();
        Set<UUID> unknown = StockTable.remember(connection, ids);
        Set<UUID> open = new HashSet<>(unknown);
        StockTable.apply(
            connection, events.stream().filter(event -> open.remove(event.id())).toList());
        connection.commit();
        return unknown;
      } catch (SQLException | RuntimeException e) {
        connection.rollback();
        throw e;
      }
    }
  }

  private static void pause() {
    try {
      TimeUnit.SECONDS.sleep(RETRY_AFTER_SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Map<String, Object> settings() {
    return Map.ofEntries(
        Map.entry("bootstrap.servers", bootstrapServers),
        Map.entry("group.id", "inventory"),
        Map.entry("key.deserializer", StringDeserializer.class),
        Map.entry("value.deserializer", ByteArrayDeserializer.class),
        // The agent's transactions: what it did not commit is invisible.
        Map.entry("isolation.level", "read_committed"),
        // Offsets are committed after the database.
        Map.entry("enable.auto.commit", false),
        Map.entry("auto.offset.reset", "earliest"),
        // Answer as soon as there is anything: this consumer is after latency, not throughput.
        Map.entry("fetch.min.bytes", 1));
  }
}
