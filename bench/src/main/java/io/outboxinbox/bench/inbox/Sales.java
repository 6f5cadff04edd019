package io.outboxinbox.bench.inbox;

import io.outboxinbox.testkit.KafkaBrokerProcess;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A topic of one partition whose messages are one consumer's. */
final class Sales implements AutoCloseable {
  private static final byte[] VALUE = new byte[300];

  private final String topic;
  private final Ids ids;
  private final KafkaProducer<byte[], byte[]> producer;

  Sales(KafkaBrokerProcess broker, String topic, Ids ids) {
    this.topic = topic;
    this.ids = ids;
    broker.createTopic(topic, 1, Map.of());
    this.producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", broker.bootstrapServers()),
            new ByteArraySerializer(),
            new ByteArraySerializer());
  }

  String topic() {
    return topic;
  }

  /** Returns when the broker has them. */
  void send(int messages) {
    for (int i = 0; i < messages; i++) {
      ProducerRecord<byte[], byte[]> sale = new ProducerRecord<>(topic, VALUE);
      sale.headers().add("ce_id", ids.dated().text().getBytes(StandardCharsets.UTF_8));
      // One that is lost is missed at the end of the round.
      var unused = producer.send(sale);
    }
    producer.flush();
  }

  @Override
  public void close() {
    producer.close();
  }
}
