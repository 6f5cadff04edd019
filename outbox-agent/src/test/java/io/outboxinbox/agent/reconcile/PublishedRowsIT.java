package io.outboxinbox.agent.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A reconciliation recognises what is published, however and wherever it was. */
class PublishedRowsIT {
  private static final String RECONCILE = "onGap: reconcile";

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  private void publish(int from, int to) throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.insert(from, to);
    rig.awaitEvents(to - from);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
  }

  /** Another topic and other headers than those of everything published so far. */
  private String changeRoute() {
    String before = rig.topic;
    rig.topic = kafka.newTopic("elsewhere", 2);
    rig.allowedTopics = rig.topic;
    rig.headers = "debezium";
    return before;
  }

  @Test
  void recognisesWhatWasPublishedUnderAnotherRoute() throws Exception {
    rig.allowedTopics = rig.topic;
    publish(0, 20);
    String before = changeRoute();
    publish(20, 30);
    rig.topic = kafka.newTopic("third", 2);
    rig.allowedTopics = rig.topic;
    rig.headers = "cloudevents";
    rig.forgetPosition();
    rig.insert(30, 35);
    rig.awaitLeading(rig.start(RECONCILE));
    rig.awaitEvents(5);
    assertThat(rig.numbersOf(rig.consume())).containsExactlyInAnyOrder(30, 31, 32, 33, 34);
    assertThat(rig.consume(before)).hasSize(20);
    assertThat(report().foundInTopics()).isEqualTo(30);
    assertThat(report().possibleRepeats()).isNull();
  }

  @Test
  void saysThatRepeatsArePossibleWhereNobodyKnowsWhichTopicsEventsWentTo() throws Exception {
    rig.allowedTopics = rig.topic;
    publish(0, 5);
    // As an earlier version leaves it.
    rig.execute("UPDATE outbox_agent_source SET topics = NULL");
    changeRoute();
    rig.forgetPosition();
    rig.awaitLeading(rig.start(RECONCILE));
    rig.awaitEvents(5);
    assertThat(report().possibleRepeats())
        .contains("which topics events were published to before", "route.allowedTopics");
  }

  /** Deleting the beginning of the topic leaves what compaction leaves: the last of each key. */
  @Test
  void putsNoOlderValueBehindANewerOneOfACompactedTopic() throws Exception {
    rig.topic = kafka.newTopic("state", 1, Map.of("cleanup.policy", "compact,delete"));
    publish(0, 10);
    List<ConsumerRecord<String, byte[]>> all = rig.consume();
    deleteBefore(all.get(5).offset());
    assertThat(rig.numbersOf(rig.consume())).containsExactly(5, 6, 7, 8, 9);
    rig.forgetPosition();
    rig.insert(10, 12);
    rig.awaitLeading(rig.start(RECONCILE));
    rig.awaitEvents(7);
    assertThat(rig.numbersOf(rig.consume())).containsExactly(5, 6, 7, 8, 9, 10, 11);
    assertThat(report().foundInTopics()).isEqualTo(5);
    assertThat(report().published()).isEqualTo(2);
    assertThat(report().notes())
        .contains("5 events count as published, because a compacted topic has a later event");
  }

  @Test
  void takesNoMessageOfAnotherDatabaseForItsOwnOfTheSameNumber() throws Exception {
    rig.execute(
        "CREATE TABLE numbered (LIKE outbox_event INCLUDING DEFAULTS)",
        "ALTER TABLE numbered ALTER COLUMN id DROP DEFAULT, ALTER COLUMN id TYPE bigint USING 0,"
            + " ADD PRIMARY KEY (id)",
        "GRANT SELECT ON numbered TO outbox_agent",
        "ALTER PUBLICATION outbox_publication SET TABLE numbered");
    String numbered =
        """
        table: numbered
              onGap: reconcile
        """;
    Pipeline pipeline = rig.start(numbered);
    rig.awaitLeading(pipeline);
    insertNumbers(1, 3);
    rig.awaitEvents(3);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    insertNumbers(4, 5);
    rig.dropSlot();
    for (String number : List.of("4", "5")) {
      rig.send(number, "/test", "ce_sourceid");
    }
    rig.awaitLeading(rig.start(numbered));
    assertThat(report().published()).isEqualTo(2);
  }

  private void insertNumbers(int first, int last) throws Exception {
    rig.execute(
        "INSERT INTO numbered (id, aggregate_type, aggregate_id, event_type, payload)"
            + " SELECT n, 'order', 'key', 'placed', '{}' FROM generate_series(%d, %d) n"
                .formatted(first, last));
  }

  private void deleteBefore(long offset) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrapServers()))) {
      admin
          .deleteRecords(
              Map.of(new TopicPartition(rig.topic, 0), RecordsToDelete.beforeOffset(offset)))
          .all()
          .get();
    }
  }

  private Report report() throws Exception {
    try (Connection connection = rig.database.connect()) {
      return new Reconciliations(rig.configuration("").source())
          .last(connection, rig.checkpoint().source().id())
          .orElseThrow();
    }
  }
}
