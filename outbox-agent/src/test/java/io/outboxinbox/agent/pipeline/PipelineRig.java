package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.ConfigurationReader;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** A database with the schema, a topic, and pipelines between them. */
final class PipelineRig implements AutoCloseable {
  static final String SLOT = "outbox_agent";

  private static final List<String> SCHEMA =
      List.of("01_outbox", "02_partitions", "03_publication", "04_agent", "05_roles");

  private final PostgresExtension postgres;
  private final KafkaExtension kafka;
  private final List<Pipeline> pipelines = new ArrayList<>();
  final PostgresDatabase database;
  final String topic;

  PipelineRig(PostgresExtension postgres, KafkaExtension kafka) throws Exception {
    this.postgres = postgres;
    this.kafka = kafka;
    this.database = postgres.newDatabase();
    this.topic = kafka.newTopic("events", 3);
    for (String file : SCHEMA) {
      database.runScript("schema/postgresql/" + file + ".sql");
    }
    execute("ALTER ROLE outbox_agent PASSWORD 'agent'");
  }

  /** Starts a pipeline; {@code more} is YAML for its source block. */
  Pipeline start(String more) throws Exception {
    return start(configuration(more));
  }

  Pipeline start(PipelineConfiguration configuration) {
    Pipeline pipeline = new Pipeline(configuration, "test", Clock.systemUTC(), new Random(1));
    pipelines.add(pipeline);
    pipeline.start();
    return pipeline;
  }

  PipelineConfiguration configuration(String more) throws Exception {
    return configuration(more, "{}");
  }

  /** A configuration with this YAML for its parking block. */
  PipelineConfiguration parking(String parking) throws Exception {
    return configuration("", parking);
  }

  private PipelineConfiguration configuration(String more, String parking) throws Exception {
    String yaml =
        """
        pipelines:
          - name: test
            source:
              host: %s
              port: %d
              database: %s
              username: outbox_agent
              password: agent
              sslMode: disable
              %s
            route: {topic: "%s", allowedTopics: ["*"]}
            publish:
              type: kafka
              bootstrapServers: "%s"
              positionReplicationFactor: 1
              properties: {max.request.size: "5000000"}
            leadership: {pulseInterval: 200ms, takeoverAfter: 2s, stallAfter: 10s}
            retry: {initial: 100ms, max: 1s}
            parking: %s
        """
            .formatted(
                postgres.host(),
                postgres.port(),
                database.name(),
                more,
                topic,
                kafka.bootstrapServers(),
                parking);
    return new ConfigurationReader(Map.of()).read(yaml).pipelines().get(0);
  }

  void execute(String... sql) throws SQLException {
    database.execute(sql);
  }

  /** Inserts events {@code from} to {@code to}, exclusive, as one transaction. */
  void insert(int from, int to) throws SQLException {
    String sql =
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload)"
            + " VALUES ('order', ?, 'placed', ?::json)";
    try (Connection connection = database.connect();
        PreparedStatement statement = connection.prepareStatement(sql)) {
      connection.setAutoCommit(false);
      for (int i = from; i < to; i++) {
        statement.setString(1, "key-" + i % 5);
        statement.setString(2, "{\"n\":" + i + "}");
        statement.addBatch();
      }
      statement.executeBatch();
      connection.commit();
    }
  }

  /** Everything committed in the topic so far. */
  List<ConsumerRecord<String, byte[]>> consume() {
    return consume(topic);
  }

  List<ConsumerRecord<String, byte[]>> consume(String topic) {
    Map<String, Object> properties =
        Map.of(
            "bootstrap.servers",
            kafka.bootstrapServers(),
            "isolation.level",
            "read_committed",
            "enable.auto.commit",
            false);
    List<ConsumerRecord<String, byte[]>> records = new ArrayList<>();
    try (KafkaConsumer<String, byte[]> consumer =
        new KafkaConsumer<>(properties, new StringDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(topic).stream()
              .map(p -> new TopicPartition(topic, p.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        consumer.poll(Duration.ofMillis(100)).forEach(records::add);
      }
    }
    return records;
  }

  void awaitState(Pipeline pipeline, PipelineStatus.State state) {
    await()
        .atMost(Duration.ofSeconds(30))
        .untilAsserted(
            () ->
                assertThat(pipeline.status().state())
                    .as(pipeline.status().toString())
                    .isEqualTo(state));
  }

  static String header(ConsumerRecord<String, byte[]> record, String name) {
    return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    for (Pipeline pipeline : pipelines) {
      pipeline.stop(Duration.ofSeconds(20));
    }
  }
}
