package io.outboxinbox.agent.park;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.pipeline.ParkingRig;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** A parked event holds its key in its own topic, and in all of them only where it has to. */
@ParameterizedClass
@EnumSource(Memory.class)
class HeldPerTopicIT {
  @Parameter Memory memory;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final int TOO_LARGE_BYTES = 1_200_000;

  private PipelineRig rig;
  private ParkingRig parked;
  private String invoices;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
    parked = new ParkingRig(rig);
    invoices = kafka.newTopic("invoices", 1);
    rig.execute(
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_payload_at_most_1000000_bytes");
  }

  @AfterEach
  void tearDown() throws Exception {
    parked.close();
    rig.close();
  }

  private Pipeline start() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    return pipeline;
  }

  private void release() throws Exception {
    rig.execute(
        "UPDATE outbox_parked SET payload = '{}', requested = 'release' WHERE event_type = 'large'");
  }

  @Test
  void holdsAKeyOnlyInTheTopicOfItsParkedEvent() throws Exception {
    Pipeline pipeline = start();
    parked.insertLarge("large", "1", null, TOO_LARGE_BYTES);
    parked.insert("behind", "1", null, "{}");
    parked.insert("invoice", "1", invoices, "{}");
    parked.awaitWaiting(2);
    rig.await(() -> parked.publishedIn(invoices).contains("invoice"));
    assertThat(parked.publishedIn(rig.topic)).isEmpty();
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    start();
    parked.insert("invoice-2", "1", invoices, "{}");
    parked.insert("last", "1", null, "{}");
    parked.awaitWaiting(3);
    rig.await(() -> parked.publishedIn(invoices).contains("invoice-2"));
    release();
    rig.await(() -> parked.publishedOf("1").size() == 3);
    assertThat(parked.publishedOf("1")).containsExactly("large", "behind", "last");
    parked.awaitWaiting(0);
  }

  @Test
  void holdsAKeyEverywhereWhileNobodyCanTellTheTopicOfItsParkedEvent() throws Exception {
    start();
    parked.insert("lost", "1", "no-such-topic", "{}");
    parked.insert("invoice", "1", invoices, "{}");
    parked.insert("behind", "1", null, "{}");
    parked.awaitWaiting(3);
    rig.execute(
        "UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE event_type = 'lost'");
    rig.await(() -> parked.publishedOf("1").size() == 2);
    assertThat(parked.publishedOf("1")).containsExactly("lost", "behind");
    rig.await(() -> parked.publishedIn(invoices).contains("invoice"));
  }

  /** What is released first must not take with it what came after an event still in doubt. */
  @Test
  void keepsOrderWhenAnEventOfUnknownTopicComesBetweenTwoOfALine() throws Exception {
    start();
    parked.insertLarge("large", "1", null, TOO_LARGE_BYTES);
    parked.awaitWaiting(1);
    parked.insert("lost", "1", "no-such-topic", "{}");
    parked.insert("behind", "1", null, "{}");
    parked.insert("invoice", "1", invoices, "{}");
    parked.awaitWaiting(4);
    release();
    rig.await(() -> parked.publishedOf("1").contains("large"));
    rig.execute(
        "UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE event_type = 'lost'");
    rig.await(() -> parked.publishedOf("1").size() == 3);
    assertThat(parked.publishedOf("1")).containsExactly("large", "lost", "behind");
    rig.await(() -> parked.publishedIn(invoices).contains("invoice"));
    parked.awaitWaiting(0);
  }

  /**
   * Whoever has looked at a row with FOR UPDATE and gone home must not stop the leader silently.
   */
  @Test
  void saysThatALockedEventKeepsOthersFromBeingPutInLineAndGoesOnAfterwards() throws Exception {
    Pipeline pipeline = start();
    parked.insertLarge("large", "1", null, TOO_LARGE_BYTES);
    parked.awaitWaiting(1);
    try (Connection operator = rig.database.connect();
        Statement statement = operator.createStatement()) {
      operator.setAutoCommit(false);
      statement.execute("SELECT 1 FROM outbox_parked FOR UPDATE");
      String holder;
      try (ResultSet row = statement.executeQuery("SELECT pg_backend_pid()")) {
        row.next();
        holder = row.getString(1);
      }
      parked.insert("lost", "1", "no-such-topic", "{}");
      rig.await(() -> pipeline.status().reason().contains("another session has locked"));
      String reason = pipeline.status().reason();
      assertThat(
              parked.list(
                  "SELECT pid FROM (%s) AS printed"
                      .formatted(reason.substring(reason.indexOf("SELECT ")).replace(";", ""))))
          .as("processes that the printed query names")
          .contains(holder);
    }
    parked.awaitWaiting(2);
    rig.execute("UPDATE outbox_parked SET topic = NULL, payload = '{}', requested = 'release'");
    rig.await(() -> parked.publishedOf("1").size() == 2);
    assertThat(parked.publishedOf("1")).containsExactly("large", "lost");
  }

  @Test
  void keepsOrderBehindWhatTheVersionBeforeHasParked() throws Exception {
    Pipeline before = start();
    parked.insertLarge("large", "1", null, TOO_LARGE_BYTES);
    parked.insert("behind", "1", null, "{}");
    parked.awaitWaiting(2);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    // The table as that version made it, and then its upgrade.
    rig.execute(
        "ALTER TABLE outbox_parked DROP COLUMN destination, DROP COLUMN destination_rule",
        "DROP INDEX outbox_parked_key",
        "CREATE INDEX outbox_parked_waiting ON outbox_parked (source, key, ordinal) WHERE state = 'waiting'");
    rig.database.runScript("schema/postgresql/04_agent.sql");
    start();
    parked.insert("invoice", "1", invoices, "{}");
    parked.insert("last", "1", null, "{}");
    parked.awaitWaiting(4);
    release();
    rig.await(() -> parked.publishedOf("1").size() == 3);
    assertThat(parked.publishedOf("1")).containsExactly("large", "behind", "last");
    rig.await(() -> parked.publishedIn(invoices).contains("invoice"));
    parked.awaitWaiting(0);
  }

  @Test
  void keepsOrderWhenAnotherRuleChoosesTheTopicsByNow() throws Exception {
    Pipeline before = start();
    parked.insertLarge("large", "1", invoices, TOO_LARGE_BYTES);
    parked.awaitWaiting(1);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.execute("UPDATE outbox_parked SET destination_rule = 'another'");
    start();
    // By the new rule the released event may go where this one would already be.
    parked.insert("behind", "1", null, "{}");
    parked.awaitWaiting(2);
    rig.execute("UPDATE outbox_parked SET topic = NULL");
    release();
    rig.await(() -> parked.publishedOf("1").size() == 2);
    assertThat(parked.publishedOf("1")).containsExactly("large", "behind");
  }
}
