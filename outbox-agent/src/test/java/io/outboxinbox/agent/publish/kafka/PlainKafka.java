package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.Retryable.Side;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Positions;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.PublishedSearch;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.Replayer;
import io.outboxinbox.agent.publish.Sender;
import io.outboxinbox.agent.publish.SendingPublisher;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntPredicate;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The real broker without its transactions, as most brokers are: events are confirmed one by one,
 * and positions are in the source database. Of a key one event at most is not confirmed.
 */
public final class PlainKafka implements PublishConfiguration {
  private final KafkaConfiguration kafka;
  private final IntPredicate isConfirmed;

  PlainKafka(KafkaConfiguration kafka) {
    this(kafka, sent -> true);
  }

  private PlainKafka(KafkaConfiguration kafka, IntPredicate isConfirmed) {
    this.kafka = kafka;
    this.isConfirmed = isConfirmed;
  }

  /** The same pipeline with this broker. */
  public static PipelineConfiguration in(PipelineConfiguration pipeline) {
    return in(pipeline, sent -> true);
  }

  /**
   * The same with a fault.
   *
   * @param isConfirmed asked with the number of events of a batch that have been sent; says whether
   *     the agent learns of the last of them, or throws
   */
  public static PipelineConfiguration in(PipelineConfiguration pipeline, IntPredicate isConfirmed) {
    PublishConfiguration plain =
        pipeline.publish() instanceof KafkaConfiguration kafka
            ? new PlainKafka(kafka, isConfirmed)
            : new PlainKafka(((PlainKafka) pipeline.publish()).kafka, isConfirmed);
    return new PipelineConfiguration(
        pipeline.name(),
        pipeline.source(),
        pipeline.route(),
        plain,
        pipeline.batch(),
        pipeline.leadership(),
        pipeline.retry(),
        pipeline.parking(),
        pipeline.wal(),
        pipeline.retention());
  }

  @Override
  public boolean needsPositions() {
    return true;
  }

  @Override
  public Publisher newPublisher(Positions ofDatabase) {
    return new SendingPublisher(new PlainSender(), ofDatabase);
  }

  @Override
  public Replayer newReplayer() {
    return kafka.newReplayer();
  }

  @Override
  public List<String> reservedTopics() {
    return kafka.reservedTopics();
  }

  @Override
  public List<Finding> preflight(List<String> topics) {
    return kafka.preflight(topics);
  }

  private final class PlainSender implements Sender {
    /** Knows topics and limits; takes nothing over. */
    private final KafkaPublisher catalog = new KafkaPublisher(kafka);

    private KafkaProducer<byte[], byte[]> producer;

    @Override
    public void check(RoutedEvent event) {
      catalog.check(event);
    }

    @Override
    public List<Receipt> send(List<RoutedEvent> batch) {
      List<RoutedEvent> left = new ArrayList<>(batch);
      List<Receipt> receipts = new ArrayList<>();
      while (!left.isEmpty()) {
        List<Receipt> wave = sendWave(nextWave(left));
        if (isConfirmed.test(batch.size() - left.size())) {
          receipts.addAll(wave);
        }
      }
      return receipts;
    }

    /** The first event of each key. */
    private static List<RoutedEvent> nextWave(List<RoutedEvent> left) {
      Set<String> lanes = new HashSet<>();
      List<RoutedEvent> wave = new ArrayList<>();
      for (RoutedEvent event : left) {
        if (lanes.add(event.destination().topic() + "/" + event.destination().key())) {
          wave.add(event);
        }
      }
      left.removeAll(wave);
      return wave;
    }

    private List<Receipt> sendWave(List<RoutedEvent> wave) {
      SendFailures failures = new SendFailures();
      List<Future<RecordMetadata>> sends = new ArrayList<>();
      try {
        KafkaProducer<byte[], byte[]> open = producer();
        for (int i = 0; i < wave.size() && !failures.isUnanswered(); i++) {
          sends.add(open.send(KafkaPublisher.record(wave.get(i)), failures.of(i)));
        }
        awaitAll(sends);
      } catch (KafkaException e) {
        throw failed(wave, failures, e);
      }
      Exception failure = failures.reason(null);
      if (failure != null) {
        throw failed(wave, failures, failure);
      }
      return wave.stream()
          .map(e -> new Receipt(e.sequenced().sequence(), e.sequenced().position()))
          .toList();
    }

    /** Not by a flush, which knows no end while an idempotent producer waits for its id. */
    private void awaitAll(List<Future<RecordMetadata>> sends) {
      long deadline = System.nanoTime() + 2 * patience().toNanos();
      for (Future<RecordMetadata> send : sends) {
        try {
          send.get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
          // Its callback has kept the reason.
        } catch (TimeoutException e) {
          throw new AgentException.Retryable(Side.BROKER, "kafka: no answer in time", e);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new AgentException.Retryable("interrupted", e);
        }
      }
    }

    private AgentException failed(List<RoutedEvent> wave, SendFailures failures, Exception e) {
      if (failures.refusedRecord().isPresent()) {
        RoutedEvent refused = wave.get(failures.refusedRecord().getAsInt());
        return AgentException.RejectedEvent.known(
            "kafka refused it: " + Reasons.of(failures.reason(e)), refused.sequenced().sequence());
      }
      if (SendFailures.refusal(failures.reason(e)) != null) {
        return new AgentException.RejectedEvent(
            "kafka refused an event: " + Reasons.of(failures.reason(e)));
      }
      return new AgentException.Retryable(
          Side.BROKER, "kafka: sending failed: " + Reasons.of(failures.reason(e)), e);
    }

    private KafkaProducer<byte[], byte[]> producer() {
      if (producer == null) {
        Map<String, Object> properties = kafka.producerProperties("plain");
        properties.remove("transactional.id");
        properties.remove("transaction.timeout.ms");
        properties.put("linger.ms", 0);
        producer =
            new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
      }
      return producer;
    }

    @Override
    public Duration patience() {
      return catalog.patience();
    }

    @Override
    public Optional<String> cluster() {
      return catalog.cluster();
    }

    @Override
    public Optional<PublishedSearch> search(Publisher.SearchScope scope) {
      return catalog.search(scope);
    }

    @Override
    public void close() {
      if (producer != null) {
        producer.close(Duration.ZERO);
      }
      catalog.close();
    }
  }
}
