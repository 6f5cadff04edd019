package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.operate.PositionCheck;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.SourceReset;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.slot.FirstStart;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.agent.source.table.SourceRegistry.Turn;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.PGConnection;

/** A slot that the source has not read may be a connector's, with events nobody else will send. */
class ForeignSlotIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
    rig.execute(
        "SELECT pg_create_logical_replication_slot('" + PipelineRig.SLOT + "', 'pgoutput')");
    rig.insert(0, 5);
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  /** And ends: that slot is there, the position names it, and nobody reads it. */
  private void publishThroughASlotOfItsOwn() throws Exception {
    rig.names = "slot: own";
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.awaitEvents(5);
    assertThat(pipeline.stop(Duration.ofSeconds(40))).isTrue();
  }

  @Test
  void aReconciliationIsRefusedAndDropsNothing() throws Exception {
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    Pipeline pipeline = rig.start("existingRows: publish");
    rig.awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("slot outbox_agent exists", "has not read it");
    assertThat(new ReconcileRequest(rig.configuration(""), "operator").preview(null).refusal())
        .contains("slot outbox_agent exists", "has not read it", "--pipeline test");
    assertThatSlotIsThere();
  }

  @Test
  void aResetLeavesItAloneAndAStartMayTakeItOver() throws Exception {
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    new SourceReset(rig.configuration(""), "operator").run();
    assertThatSlotIsThere();
    rig.awaitLeading(rig.start("existingRows: skip"));
    rig.insert(5, 10);
    rig.awaitEvents(10);
    rig.assertThatEventsAreExactly(10);
  }

  @Test
  void aResetForgetsNothingWhileTheSlotIsStillRead() throws Exception {
    publishThroughASlotOfItsOwn();
    SourceReset reset = new SourceReset(rig.configuration(""), "operator");
    rig.await(
        () ->
            rig.query(
                    "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = 'own'")
                .equals("0"));
    Connection reader = read("own");
    assertThatThrownBy(reset::run).hasMessageContaining("slot own is still read by process");
    assertThat(rig.checkpoint().slot()).as("the position's slot").isEqualTo("own");
    reader.close();
    reset.run();
    rig.awaitLeading(rig.start("existingRows: publish"));
    rig.awaitEvents(10);
  }

  private String decision() throws Exception {
    SourceConfiguration source = rig.configuration("").source();
    try (Connection connection = rig.database.connect()) {
      String id = SourceNames.identify(connection, source).id();
      return new SourceRegistry(source).decision(connection, id).text();
    }
  }

  /** As when it fails behind the broker's answer: the position tells nothing any more. */
  @Test
  void aResetThatIsDoneAgainLeavesItAloneToo() throws Exception {
    publishThroughASlotOfItsOwn();
    rig.names = "slot: " + PipelineRig.SLOT;
    new SourceReset(rig.configuration(""), "operator").run();
    String decided = decision();
    new SourceReset(rig.configuration(""), "operator").run();
    assertThat(decision()).as("what wakes an agent that stopped").isNotEqualTo(decided);
    assertThatSlotIsThere();
    Pipeline pipeline = rig.start("existingRows: publish");
    rig.awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("slot outbox_agent exists already");
    assertThat(PositionCheck.run(rig.configuration("existingRows: publish")))
        .singleElement()
        .satisfies(found -> assertThat(pipeline.status().reason()).startsWith(found.what()));
    assertThatSlotIsThere();
  }

  /** Reading it would move it on, and its owner would miss what lies in between. */
  @Test
  void aSourceThatReadsAnotherTakesItOverOnlyWhenAsked() throws Exception {
    publishThroughASlotOfItsOwn();
    String confirmed = confirmed();
    rig.names = "slot: " + PipelineRig.SLOT;
    Pipeline refused = rig.start("existingRows: publish");
    rig.awaitState(refused, State.MISCONFIGURED);
    assertThat(refused.status().reason()).contains("has read slot own so far");
    assertThat(confirmed()).isEqualTo(confirmed);
    rig.execute(refused.status().reason().replaceAll("(?s).*(INSERT .*)", "$1"));
    rig.awaitLeading(refused);
    rig.insert(5, 10);
    rig.awaitEvents(10);
    rig.assertThatEventsAreExactly(10);
    // From now on it is the one that the source has read.
    rig.await(() -> rig.checkpoint().slot().equals(PipelineRig.SLOT));
  }

  /** Who has noted a name, and was cut short before there was a slot, has read none of it. */
  @Test
  void aNoteAloneKeepsNobodyFromTheSlotThatThePositionNames() throws Exception {
    publishThroughASlotOfItsOwn();
    rig.execute("UPDATE outbox_agent_source SET slot = 'not_made'");
    rig.awaitLeading(rig.start(""));
    rig.insert(5, 10);
    rig.awaitEvents(10);
    rig.assertThatEventsAreExactly(10);
  }

  /** Since then another has made one of that name, whatever the position says. */
  @Test
  void aSlotThatWasLetGoOfIsNobodysThoughThePositionNamesIt() throws Exception {
    publishThroughASlotOfItsOwn();
    rig.dropSlots("slot_name = 'own'");
    rig.insert(5, 6);
    rig.execute(
        "UPDATE outbox_agent_source SET slot = ''",
        "SELECT pg_create_logical_replication_slot('own', 'pgoutput')");
    Pipeline after = rig.start("onGap: reconcile");
    rig.awaitState(after, State.MISCONFIGURED);
    assertThat(after.status().reason()).contains("slot own exists", "has not read it");
    rig.execute(after.status().reason().replaceAll("(?s).*(INSERT .*)", "$1"));
    rig.awaitLeading(after);
    rig.awaitEvents(6);
    rig.assertThatEventsAreExactly(6);
  }

  @Test
  void aSlotThatWasMadeAnewIsLeftToWhoeverReadsIt() throws Exception {
    publishThroughASlotOfItsOwn();
    rig.dropSlots("slot_name = 'own'");
    rig.insert(5, 6);
    rig.execute("SELECT pg_create_logical_replication_slot('own', 'pgoutput')");
    Pipeline after = refusedWhileSomebodyReads("own");
    // Between two of their connections it is taken neither.
    rig.await(() -> after.status().reason().contains("slot own exists"));
    rig.dropSlots("slot_name = 'own'");
    rig.awaitLeading(after);
    rig.awaitEvents(6);
    rig.assertThatEventsAreExactly(6);
  }

  private Pipeline refusedWhileSomebodyReads(String slot) throws Exception {
    String reading = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '" + slot + "'";
    try (Connection reader = read(slot)) {
      assertThat(reader.isClosed()).isFalse();
      String process = rig.query(reading);
      Pipeline refused = rig.start("onGap: reconcile");
      rig.awaitState(refused, State.MISCONFIGURED);
      assertThat(refused.status().reason()).contains("is being read by process " + process);
      long restarts = refused.status().restarts();
      rig.await(() -> refused.status().restarts() > restarts + 1);
      assertThat(rig.query(reading)).isEqualTo(process).isNotNull();
      return refused;
    }
  }

  /** It is noted before it is made, so that nobody takes one's own for somebody else's. */
  @Test
  void aNameThatSomebodyElseWasFasterToTakeIsNotNotedAsItsOwn() throws Exception {
    SourceConfiguration source = rig.configuration("").source();
    SourceRegistry registry = new SourceRegistry(source);
    try (Connection connection = rig.database.connect()) {
      registry.register(connection, "s");
      registry.beginEpoch(connection, "s", 1, PipelineRig.SLOT);
      FirstStart start = new FirstStart(source, new SourceConnections(source));
      assertThatThrownBy(() -> start.createSlot("s", new Turn(1, 0), Optional.empty()))
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("already exists");
      assertThat(registry.find(connection, "s").orElseThrow().owns(PipelineRig.SLOT, null))
          .isFalse();
    }
    assertThatSlotIsThere();
  }

  /** As a connector does. */
  private Connection read(String slot) throws SQLException {
    Properties properties = new Properties();
    properties.put("user", rig.database.user());
    properties.put("password", rig.database.password());
    properties.put("replication", "database");
    properties.put("preferQueryMode", "simple");
    properties.put("assumeMinServerVersion", "15");
    Connection connection = DriverManager.getConnection(rig.database.jdbcUrl(), properties);
    connection
        .unwrap(PGConnection.class)
        .getReplicationAPI()
        .replicationStream()
        .logical()
        .withSlotName(slot)
        .withSlotOption("proto_version", 1)
        .withSlotOption("publication_names", "outbox_publication")
        .start();
    return connection;
  }

  private String confirmed() throws SQLException {
    return Objects.requireNonNull(
        rig.query(
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '%s' AND database = current_database()"
                .formatted(PipelineRig.SLOT)));
  }

  private void assertThatSlotIsThere() throws Exception {
    assertThat(
            rig.database.list(
                "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()"))
        .contains(PipelineRig.SLOT);
  }
}
