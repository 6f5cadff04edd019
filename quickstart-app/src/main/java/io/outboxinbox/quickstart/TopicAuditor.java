package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.inventory.OrderEvent;
import io.outboxinbox.quickstart.proof.EventKey;
import io.outboxinbox.quickstart.proof.Ledger;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the topic beside the inventory, as any other read_committed consumer would, and notes when
 * each message came: the inventory hides a message that is there twice, this does not. Works on a
 * thread of its own between {@link #start} and {@link #close}.
 */
final class TopicAuditor implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(TopicAuditor.class);
  private static final Duration POLL = Duration.ofMillis(500);
  private static final Duration CLOSED_WITHIN = Duration.ofSeconds(5);

  private final KafkaConsumer<String, byte[]> consumer;
  private final Ledger ledger;
  private final Thread thread = new Thread(this::run, "quickstart-auditor");
  private volatile @Nullable String failure;
  private volatile boolean running = true;

  TopicAuditor(String bootstrapServers, List<TopicPartition> partitions, Ledger ledger) {
    this.ledger = ledger;
    this.consumer =
        new KafkaConsumer<>(
            Map.of(
                "bootstrap.servers",
                bootstrapServers,
                "key.deserializer",
                StringDeserializer.class,
                "value.deserializer",
                ByteArrayDeserializer.class,
                "isolation.level",
                "read_committed",
                "enable.auto.commit",
                false));
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
  }

  void start() {
    thread.start();
  }

  /** Why it gave up; null if it did not. */
  @Nullable String failure() {
    return failure;
  }

  @Override
  public void close() {
    running = false;
    consumer.wakeup();
    try {
      thread.join(CLOSED_WITHIN.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    try (consumer) {
      while (running) {
        ConsumerRecords<String, byte[]> messages = consumer.poll(POLL);
        long arrivedAt = System.nanoTime();
        for (ConsumerRecord<String, byte[]> message : messages) {
          ledger.published(key(message), id(message), arrivedAt);
        }
      }
    } catch (WakeupException closing) {
      log.debug("woken up to close");
    } catch (RuntimeException e) {
      log.error("the auditor of the topic gave up", e);
      failure = e.toString();
    }
  }

  private static EventKey key(ConsumerRecord<String, byte[]> message) {
    OrderEvent.Payload order =
        OrderEvent.payload(message.value(), message.topic() + "@" + message.offset());
    return new EventKey(order.orderId(), order.version());
  }

  private static UUID id(ConsumerRecord<String, byte[]> message) {
    byte[] id = message.headers().lastHeader("ce_id").value();
    return UUID.fromString(new String(id, StandardCharsets.UTF_8));
  }
}
