package io.outboxinbox.e2e.rig;

import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.KafkaBrokerProcess;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.awaitility.Awaitility;

/** A PostgreSQL server and a Kafka broker with room for ledgers. Who starts it closes it. */
public final class Stage implements AutoCloseable {
  public static final String TOPIC = "ledger";
  public static final int PARTITIONS = 6;

  private final PostgresServer postgres;
  private final KafkaBrokerProcess kafka;

  private Stage(PostgresServer postgres, KafkaBrokerProcess kafka) {
    this.postgres = postgres;
    this.kafka = kafka;
  }

  /** Starts both servers and creates the topic. */
  public static Stage start() {
    return start(PostgresServer.Options.of(PostgresVersion.V17));
  }

  /** Starts a database server of one's own kind, and a broker with the topic. */
  public static Stage start(PostgresServer.Options options) {
    return start(options, KafkaBroker.Options.defaults());
  }

  /** Starts servers of one's own kind and creates the topic. */
  public static Stage start(PostgresServer.Options options, KafkaBroker.Options brokerOptions) {
    PostgresServer postgres = PostgresServer.start(options);
    try {
      KafkaBrokerProcess kafka = KafkaBrokerProcess.start(brokerOptions);
      kafka.createTopic(TOPIC, PARTITIONS, Map.of());
      return new Stage(postgres, kafka);
    } catch (RuntimeException e) {
      postgres.close();
      throw e;
    }
  }

  public PostgresServer postgres() {
    return postgres;
  }

  public KafkaBrokerProcess kafka() {
    return kafka;
  }

  /** Creates another topic like {@link #TOPIC}. */
  public void createTopic(String topic) {
    kafka.createTopic(topic, PARTITIONS, Map.of());
  }

  /** Reads a topic from its beginning as a consumer. */
  public Reader read(String topic) {
    return Reader.start(kafka.bootstrapServers(), topic, PARTITIONS);
  }

  /** Returns once a transaction is open: records lie there that read_committed does not show. */
  public void awaitOpenTransaction(String topic, Duration limit) {
    List<TopicPartition> partitions =
        IntStream.range(0, PARTITIONS).mapToObj(i -> new TopicPartition(topic, i)).toList();
    try (Admin admin = kafka.admin()) {
      Awaitility.await("a Kafka transaction is open")
          .atMost(limit)
          .pollDelay(Duration.ZERO)
          .pollInterval(Duration.ofMillis(1))
          // In this order: asked the other way round, a commit in between would look like it.
          .until(
              () ->
                  endOffsets(admin, partitions, IsolationLevel.READ_UNCOMMITTED)
                      > endOffsets(admin, partitions, IsolationLevel.READ_COMMITTED));
    }
  }

  private static long endOffsets(
      Admin admin, List<TopicPartition> partitions, IsolationLevel isolation) throws Exception {
    Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
    partitions.forEach(partition -> ends.put(partition, OffsetSpec.latest()));
    return admin.listOffsets(ends, new ListOffsetsOptions(isolation)).all().get().values().stream()
        .mapToLong(ListOffsetsResult.ListOffsetsResultInfo::offset)
        .sum();
  }

  /** Reads the broker's files of a topic. */
  public BrokerLog brokerLog(String topic) {
    return BrokerLog.read(kafka.dataDirectory(), topic, PARTITIONS);
  }

  @Override
  public void close() {
    kafka.close();
    postgres.close();
  }
}
