package io.outboxinbox.bench.inbox;

import io.outboxinbox.testkit.KafkaBrokerProcess;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * What {@link Runner} is compared with: a loop around Kafka's consumer that handles one message a
 * transaction and has no inbox, so that each repeat would have its effect again.
 */
final class PlainConsumer implements AutoCloseable {
  private static final Duration POLL = Duration.ofSeconds(1);
  private static final int EMPTY_POLLS_MAX = 30;

  private final Connection connection;
  private final Stock stock;
  private final int messages;
  private final Sales sales;
  private final KafkaConsumer<byte[], byte[]> consumer;

  PlainConsumer(
      KafkaBrokerProcess broker, Connection connection, Stock stock, Ids ids, int messages) {
    this.connection = connection;
    this.stock = stock;
    this.messages = messages;
    this.sales = new Sales(broker, "plain-sales", ids);
    this.consumer =
        new KafkaConsumer<>(
            Map.of(
                "bootstrap.servers",
                broker.bootstrapServers(),
                "group.id",
                "plain",
                "isolation.level",
                "read_committed",
                "enable.auto.commit",
                false),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer());
    List<TopicPartition> partitions = List.of(new TopicPartition(sales.topic(), 0));
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
  }

  /** Lets the broker have a round's messages. */
  void prepare() {
    sales.send(messages);
  }

  /** Handles a round's messages. */
  long run() throws SQLException {
    int handled = 0;
    for (int empty = 0; handled < messages; ) {
      if (empty > EMPTY_POLLS_MAX) {
        throw new IllegalStateException("only %d of %d came".formatted(handled, messages));
      }
      int before = handled;
      for (ConsumerRecord<byte[], byte[]> unused : consumer.poll(POLL)) {
        stock.sellOne();
        connection.commit();
        handled++;
      }
      consumer.commitAsync();
      empty = handled == before ? empty + 1 : 0;
    }
    return handled;
  }

  @Override
  public void close() {
    consumer.close();
    sales.close();
  }
}
