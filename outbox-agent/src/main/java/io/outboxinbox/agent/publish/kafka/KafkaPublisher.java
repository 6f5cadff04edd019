package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.Retryable.Side;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.PublishedSearch;
import io.outboxinbox.agent.publish.Publisher;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/** Publishes events and their checkpoint in one Kafka transaction, fenced per source. */
final class KafkaPublisher implements Publisher {

  /** Upper bound of what Kafka's record format adds to key, value and headers. */
  private static final int RECORD_OVERHEAD_BYTES = 128;

  private static final int HEADER_OVERHEAD_BYTES = 10;

  private final KafkaConfiguration kafka;
  private final TopicCatalog topics;
  private final CheckpointTopic checkpoints;
  private final StableOffsetWatch stableOffsets;
  private @Nullable KafkaProducer<byte[], byte[]> producer;

  KafkaPublisher(KafkaConfiguration kafka) {
    this.kafka = kafka;
    this.topics = new TopicCatalog(kafka);
    this.checkpoints = new CheckpointTopic(kafka, topics);
    this.stableOffsets = new StableOffsetWatch(topics);
  }

  @Override
  public boolean mayRepeat() {
    return false;
  }

  @Override
  public Optional<Checkpoint> takeOver(SourceIdentity source) {
    closeProducer();
    topics.createPositionTopic(kafka.positionTopic(), kafka.positionReplicationFactor());
    try {
      producer = newProducer(source);
      producer.initTransactions();
    } catch (KafkaException e) {
      throw failed("taking over as " + source.id(), e);
    }
    stableOffsets.start();
    return checkpoints.read(source);
  }

  @Override
  public void rehearse(SourceIdentity source) {
    if (topics.find(kafka.positionTopic()).isEmpty()) {
      return;
    }
    checkpoints.read(source);
    // Only initTransactions shuts others out; up to there a transactional producer is harmless.
    try (KafkaProducer<byte[], byte[]> unused = newProducer(source)) {
      unused.partitionsFor(kafka.positionTopic());
    }
  }

  private KafkaProducer<byte[], byte[]> newProducer(SourceIdentity source) {
    // Stable across hosts and deploys, so that whoever leads fences every earlier producer.
    return new KafkaProducer<>(
        kafka.producerProperties("outbox-agent/" + source.id()),
        new ByteArraySerializer(),
        new ByteArraySerializer());
  }

  @Override
  public List<Checkpoint> allCheckpoints() {
    return topics.find(kafka.positionTopic()).isPresent() ? checkpoints.readAll() : List.of();
  }

  @Override
  public List<Receipt> publishBatch(List<RoutedEvent> batch, Checkpoint after) {
    List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>(batch.size() + 1);
    for (RoutedEvent event : batch) {
      records.add(record(event));
    }
    records.add(checkpoints.record(after));
    SendFailures failures = new SendFailures();
    long begun = System.nanoTime();
    try {
      commit(records, failures);
    } catch (KafkaException | IllegalStateException e) {
      Duration took = Duration.ofNanos(System.nanoTime() - begun);
      String doing = "publishing " + batch.size() + " events";
      if (isFenced(failures.reason(e)) && took.compareTo(kafka.transactionTimeout()) >= 0) {
        throw tooSlow(doing, took, e);
      }
      throw failures.refusedRecord().isPresent()
          ? refused(batch, failures.refusedRecord().getAsInt(), failures.reason(e))
          : failed(doing, failures.reason(e));
    }
    return receipts(batch);
  }

  private AgentException refused(List<RoutedEvent> batch, int record, Exception reason) {
    if (record == batch.size()) {
      return new AgentException.Misconfigured(
          "kafka topic=%s refused the position: %s"
              .formatted(kafka.positionTopic(), Reasons.of(reason)),
          "remove limits on size and time from the topic's settings");
    }
    return AgentException.RejectedEvent.known(
        "kafka refused it: " + Reasons.of(reason), batch.get(record).sequenced().sequence());
  }

  @Override
  public Duration patience() {
    return kafka.sendTimeout();
  }

  @Override
  public Duration hidden() {
    return stableOffsets.hidden();
  }

  @Override
  public Optional<String> cluster() {
    return Optional.ofNullable(topics.cluster());
  }

  @Override
  public Optional<PublishedSearch> search(SearchScope scope) {
    return Optional.of(new TopicSearch(kafka, topics, scope));
  }

  @Override
  public void forget(SourceIdentity source) {
    SendFailures failures = new SendFailures();
    try {
      commit(List.of(checkpoints.tombstone(source)), failures);
    } catch (KafkaException | IllegalStateException e) {
      throw failed("forgetting " + source.id(), failures.reason(e));
    }
  }

  private void commit(List<ProducerRecord<byte[], byte[]>> records, SendFailures failures) {
    KafkaProducer<byte[], byte[]> open = producer;
    if (open == null) {
      throw new IllegalStateException("takeOver comes first");
    }
    open.beginTransaction();
    for (int i = 0; i < records.size() && !failures.isUnanswered(); i++) {
      send(open, records.get(i), failures.of(i));
    }
    // A failed send makes the commit fail; after a commit was tried nothing is ever aborted
    // here, because its outcome may be unknown: the next takeOver waits for it and reads it.
    open.commitTransaction();
  }

  // The commit waits for every send and fails if one did; the callback only keeps the reason.
  @SuppressWarnings("FutureReturnValueIgnored")
  private static void send(
      KafkaProducer<byte[], byte[]> producer,
      ProducerRecord<byte[], byte[]> record,
      Callback callback) {
    producer.send(record, callback);
  }

  private static List<Receipt> receipts(List<RoutedEvent> batch) {
    return batch.stream()
        .map(RoutedEvent::sequenced)
        .map(event -> new Receipt(event.sequence(), event.position()))
        .toList();
  }

  /** In a transaction one record the client or broker refuses poisons all others (KAFKA-9279). */
  @Override
  public void check(RoutedEvent event) {
    Destination to = event.destination();
    TopicCatalog.Topic topic = existing(topics.find(to.topic()), event);
    byte[] payload = event.sequenced().event().payload();
    int bytes =
        RECORD_OVERHEAD_BYTES + 3 * to.key().length() + (payload == null ? 0 : payload.length);
    for (Destination.Header header : to.headers()) {
      bytes += HEADER_OVERHEAD_BYTES + header.name().length() + header.value().length;
    }
    int limit = Math.min(topic.maxMessageBytes(), kafka.maxRequestBytes());
    if (bytes > limit) {
      topic = existing(topics.findAnew(to.topic()), event);
      limit = Math.min(topic.maxMessageBytes(), kafka.maxRequestBytes());
    }
    if (bytes > limit) {
      throw new AgentException.RejectedEvent(
          worded(
              event,
              "message of " + bytes + " bytes exceeds the limit of " + limit + " for " + to.topic(),
              "raise max.message.bytes of the topic and max.request.size in publish.properties, or shrink the event"));
    }
  }

  private static TopicCatalog.Topic existing(
      Optional<TopicCatalog.Topic> topic, RoutedEvent event) {
    return topic.orElseThrow(
        () ->
            AgentException.RejectedEvent.topicMissing(
                worded(
                    event,
                    "topic " + event.destination().topic() + " does not exist",
                    "create it, or route the event elsewhere")));
  }

  /** The message of an event. */
  static ProducerRecord<byte[], byte[]> record(RoutedEvent event) {
    Destination to = event.destination();
    ProducerRecord<byte[], byte[]> record =
        new ProducerRecord<>(
            to.topic(),
            null,
            to.key().getBytes(StandardCharsets.UTF_8),
            event.sequenced().event().payload());
    for (Destination.Header header : to.headers()) {
      record.headers().add(header.name(), header.value());
    }
    return record;
  }

  private static String worded(RoutedEvent event, String what, String fix) {
    return "event " + event.sequenced().event().id() + ": " + what + "; fix: " + fix;
  }

  private AgentException failed(String doing, Exception cause) {
    Exception refusal = SendFailures.refusal(cause);
    if (refusal != null) {
      return new AgentException.RejectedEvent(
          "kafka refused an event while " + doing + ": " + Reasons.of(refusal));
    }
    if (isFenced(cause)) {
      return new AgentException.Retryable(
          "fenced while " + doing + ": another agent leads this source now", cause);
    }
    return new AgentException.Retryable(
        Side.BROKER,
        "kafka %s: %s failed: %s".formatted(kafka.bootstrapServers(), doing, Reasons.of(cause)),
        cause);
  }

  private static boolean isFenced(Exception cause) {
    return cause instanceof ProducerFencedException
        || cause instanceof InvalidProducerEpochException;
  }

  /** The broker ends a transaction that takes too long as it would shut out a dead agent. */
  private AgentException tooSlow(String doing, Duration took, Exception cause) {
    return new AgentException.Retryable(
        Side.BROKER,
        "kafka: %s took %d s, and the broker gives a transaction up after publish.transactionTimeout=%d s; smaller ones follow"
            .formatted(doing, took.toSeconds(), kafka.transactionTimeout().toSeconds()),
        cause);
  }

  private void closeProducer() {
    if (producer != null) {
      producer.close(Duration.ZERO);
      producer = null;
    }
  }

  @Override
  public void close() {
    stableOffsets.close();
    closeProducer();
    topics.close();
  }
}
