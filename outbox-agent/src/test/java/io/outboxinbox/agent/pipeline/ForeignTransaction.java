package io.outboxinbox.agent.pipeline;

import io.outboxinbox.testkit.KafkaExtension;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Somebody else's transaction, open in every partition of a topic. */
public final class ForeignTransaction implements AutoCloseable {
  private final KafkaProducer<String, String> producer;

  private ForeignTransaction(KafkaProducer<String, String> producer) {
    this.producer = producer;
  }

  public static ForeignTransaction begin(KafkaExtension kafka, String topic) throws Exception {
    KafkaProducer<String, String> producer =
        new KafkaProducer<>(
            Map.of(
                "bootstrap.servers",
                kafka.bootstrapServers(),
                "transactional.id",
                "foreign-" + UUID.randomUUID(),
                "transaction.timeout.ms",
                600_000),
            new StringSerializer(),
            new StringSerializer());
    producer.initTransactions();
    producer.beginTransaction();
    int partitions = producer.partitionsFor(topic).size();
    for (int partition = 0; partition < partitions; partition++) {
      producer.send(new ProducerRecord<>(topic, partition, "foreign", "{\"n\":0}")).get();
    }
    return new ForeignTransaction(producer);
  }

  /** Ends it without a trace. */
  @Override
  public void close() {
    try (producer) {
      producer.abortTransaction();
    }
  }
}
