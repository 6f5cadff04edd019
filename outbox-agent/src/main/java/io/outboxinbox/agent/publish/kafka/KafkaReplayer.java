package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.publish.Replayer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/**
 * Sends with an idempotent producer that has no transactional id: with the source's it would shut
 * the leading agent out.
 */
final class KafkaReplayer implements Replayer {
  private final KafkaPublisher checks;
  private final KafkaProducer<byte[], byte[]> producer;

  KafkaReplayer(KafkaConfiguration kafka) {
    Map<String, Object> properties = kafka.producerProperties("outbox-agent-replay");
    properties.remove(ProducerConfig.TRANSACTIONAL_ID_CONFIG);
    properties.remove(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG);
    // No transaction waits for these, so a slow broker has the time Kafka gives it.
    properties.remove(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG);
    properties.remove(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG);
    this.checks = new KafkaPublisher(kafka);
    this.producer =
        new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
  }

  @Override
  public void check(RoutedEvent event) {
    checks.check(event);
  }

  @Override
  public List<String> send(List<RoutedEvent> events) {
    List<@Nullable Exception> failures = sendTogether(events);
    List<String> refusals = new ArrayList<>();
    boolean isApart = false;
    for (int i = 0; i < events.size(); i++) {
      @Nullable Exception failure = failures.get(i);
      // A batch is refused as a whole: what follows goes one by one, to blame nobody else and to
      // keep order. What had arrived all the same arrives again.
      if (isApart || (failure != null && isRefusalAmong(failures))) {
        isApart = true;
        failure = sendTogether(events.subList(i, i + 1)).get(0);
      }
      if (failure != null) {
        if (SendFailures.refusal(failure) == null) {
          throw failed(failure);
        }
        refusals.add(
            "event %s: kafka refused it: %s"
                .formatted(events.get(i).sequenced().event().id(), Reasons.of(failure)));
      }
    }
    return refusals;
  }

  private static boolean isRefusalAmong(List<@Nullable Exception> failures) {
    return failures.stream().anyMatch(e -> e != null && SendFailures.refusal(e) != null);
  }

  /** Why each was not taken, in order; null for those that were. */
  private List<@Nullable Exception> sendTogether(List<RoutedEvent> events) {
    List<Future<RecordMetadata>> sent = new ArrayList<>(events.size());
    try {
      for (RoutedEvent event : events) {
        sent.add(producer.send(KafkaPublisher.record(event)));
      }
    } catch (KafkaException e) {
      throw failed(e);
    }
    List<@Nullable Exception> failures = new ArrayList<>(events.size());
    for (Future<RecordMetadata> each : sent) {
      try {
        each.get();
        failures.add(null);
      } catch (ExecutionException e) {
        failures.add(e.getCause() instanceof Exception cause ? cause : e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new AgentException.Retryable("interrupted while waiting for kafka", e);
      }
    }
    return failures;
  }

  private static AgentException failed(Throwable cause) {
    return new AgentException.Retryable("kafka: replaying failed: " + Reasons.of(cause), cause);
  }

  @Override
  public void close() {
    producer.close(Duration.ZERO);
    checks.close();
  }
}
