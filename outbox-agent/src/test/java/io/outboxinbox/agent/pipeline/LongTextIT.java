package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.operate.DeskChange;
import io.outboxinbox.agent.operate.DeskEntry;
import io.outboxinbox.agent.operate.DeskFilter;
import io.outboxinbox.agent.operate.DeskFilter.State;
import io.outboxinbox.agent.operate.DeskSelection;
import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Keys and ids that are longer than an entry of an index may be, in a table without the rules of
 * ours. Chance cannot be compressed, so they stay as long as they are.
 */
class LongTextIT {
  private static final int BYTES = 100_000;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private final String longText = longText();
  private PipelineRig rig;
  private ParkingRig parked;
  private String source;

  private static String longText() {
    byte[] chance = new byte[BYTES];
    new Random(7).nextBytes(chance);
    return HexFormat.of().formatHex(chance);
  }

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
    parked = new ParkingRig(rig);
    rig.execute(
        "CREATE TABLE odd (LIKE outbox_event INCLUDING DEFAULTS)",
        "ALTER TABLE odd ALTER COLUMN id TYPE text",
        "GRANT SELECT ON odd TO outbox_agent",
        "ALTER PUBLICATION outbox_publication SET TABLE odd");
    source = "table: odd\n      onGap: reconcile\n      ";
  }

  @AfterEach
  void tearDown() throws Exception {
    parked.close();
    rig.close();
  }

  /** Inserts an event; one without a topic goes where the others go. */
  private void insert(String type, String id, String key, String topic) throws Exception {
    rig.execute(
        "INSERT INTO odd (id, aggregate_type, aggregate_id, event_type, topic, payload)"
            + " VALUES ('%s', 'order', '%s', '%s', %s, '{}')"
                .formatted(id, key, type, topic == null ? "NULL" : "'" + topic + "'"));
  }

  private ParkedDesk desk() throws Exception {
    return ParkedDesk.open(
        rig.configuration(source).source(),
        new ParkedDesk.Templates(rig.topic, "{aggregate_id}"),
        60);
  }

  private List<DeskEntry> list(String key) throws Exception {
    try (ParkedDesk desk = desk()) {
      return desk.list(new DeskFilter(State.WAITING, null, key, null, null, null, null), 0, 10);
    }
  }

  /** Corrects the topic of an event and asks for its release. */
  private void mend(long ordinal) throws Exception {
    DeskChange change =
        new DeskChange(Map.of(), true, Map.of(), List.of(), false, Map.of(), null, false);
    try (ParkedDesk desk = desk()) {
      assertThat(desk.edit(ordinal, change, "operator", "a slip")).containsExactly("topic");
      desk.release(new DeskSelection.Ordinals(List.of(ordinal)), "operator");
    }
  }

  private void restart(Pipeline pipeline) throws Exception {
    assertThat(pipeline.stop(Duration.ofSeconds(40))).isTrue();
    rig.awaitLeading(rig.start(source));
  }

  @Test
  void parksListsEditsAndReleasesEventsWithALongKeyInOrder() throws Exception {
    Pipeline pipeline = rig.start(source);
    rig.awaitLeading(pipeline);
    insert("first", "1", longText, "no-such-topic");
    insert("other-key", "2", longText + "x", null);
    insert("behind", "3", longText, null);
    parked.awaitWaiting(2);
    parked.awaitPublished("other-key");
    restart(pipeline);
    insert("last", "4", longText, null);
    parked.awaitWaiting(3);
    assertThat(list(longText))
        .extracting(DeskEntry::eventType)
        .containsExactly("first", "behind", "last");
    assertThat(list(longText + "x")).isEmpty();
    mend(1);
    parked.awaitWaiting(0);
    assertThat(parked.publishedOf(longText)).containsExactly("first", "behind", "last");
  }

  @Test
  void parksListsEditsAndReleasesEventsWithALongIdInOrder() throws Exception {
    Pipeline pipeline = rig.start(source);
    rig.awaitLeading(pipeline);
    insert("first", longText, "k", "no-such-topic");
    insert("behind", longText + "x", "k", null);
    parked.awaitWaiting(2);
    restart(pipeline);
    assertThat(list("k")).extracting(DeskEntry::eventId).containsExactly(longText, longText + "x");
    mend(1);
    parked.awaitWaiting(0);
    assertThat(parked.publishedOf("k")).containsExactly("first", "behind");
  }

  /** Rows no log brings take another way, by a list of their ids. */
  @Test
  void publishesOlderAndReconciledEventsWithALongIdOnce() throws Exception {
    insert("older", longText, "k", null);
    Pipeline pipeline = rig.start(source);
    rig.awaitLeading(pipeline);
    parked.awaitPublished("older");
    insert("parked", longText + "x", "k", "no-such-topic");
    parked.awaitWaiting(1);
    assertThat(pipeline.stop(Duration.ofSeconds(40))).isTrue();
    insert("late", longText + "y", "l", null);
    rig.forgetPosition();
    rig.awaitLeading(rig.start(source));
    parked.awaitPublished("older", "late");
    parked.awaitWaiting(1);
    assertThat(rig.consume().stream().map(LongTextIT::id))
        .containsExactlyInAnyOrder(longText, longText + "y");
  }

  /** Whoever may create functions could put his own in front, to be run with the agent's rights. */
  @Test
  void callsTheServersOwnFunctionsWhateverElseHasTheirNames() throws Exception {
    for (String function :
        List.of("hashtextextended(text, integer)", "concat(text)", "to_timestamp(numeric)")) {
      rig.execute(
          "CREATE FUNCTION public.%s RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'taken in'; END$$"
              .formatted(function));
    }
    publishesOlderAndReconciledEventsWithALongIdOnce();
    mend(1);
    parked.awaitWaiting(0);
    parked.awaitPublished("older", "late", "parked");
  }

  private static String id(ConsumerRecord<String, byte[]> record) {
    return PipelineRig.header(record, "ce_id");
  }
}
