package io.outboxinbox.agent.pipeline;

import static io.outboxinbox.agent.pipeline.TwoTables.ONE;
import static io.outboxinbox.agent.pipeline.TwoTables.insert;
import static io.outboxinbox.agent.pipeline.TwoTables.tableOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Two outbox tables of one pipeline: one slot, one count, one order. */
@ParameterizedClass
@EnumSource(Memory.class)
class SeveralTablesIT {
  @Parameter Memory memory;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;
  private TwoTables tables;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
    tables = new TwoTables(rig);
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private void assertThatAllCameInOrder(int count) {
    rig.awaitEvents(count);
    rig.assertThatEventsAreExactly(count);
    List<ConsumerRecord<String, byte[]>> records =
        rig.consume().stream()
            .sorted(Comparator.comparing(record -> PipelineRig.header(record, "ce_sequence")))
            .toList();
    assertThat(rig.numbersOf(records)).isEqualTo(IntStream.range(0, count).boxed().toList());
    assertThat(records)
        .allSatisfy(
            record ->
                assertThat(PipelineRig.header(record, "outbox_table"))
                    .isEqualTo(tableOf(rig.numbersOf(List.of(record)).get(0))));
  }

  @Test
  void publishesTransactionsOverTwoTablesInTheOrderTheyWereWritten() throws Exception {
    rig.awaitLeading(rig.start(""));
    tables.insert(0, 40, true);
    tables.insert(40, 80, true);
    tables.insert(80, 100, false);
    assertThatAllCameInOrder(100);
  }

  @Test
  void publishesOlderRowsOfAllTablesOnceAndInOrder() throws Exception {
    tables.insert(0, 60, false);
    rig.awaitLeading(rig.start(""));
    tables.insert(60, 100, true);
    assertThatAllCameInOrder(100);
  }

  @Test
  void skipsOlderRowsOfOneTableOnly() throws Exception {
    tables.list("{table: outbox_event}, {table: event, existingRows: skip}");
    rig.execute(insert("outbox_event", 0), insert("event", 99));
    rig.awaitLeading(rig.start(""));
    rig.execute(insert("event", 1), insert("outbox_event", 2));
    assertThatAllCameInOrder(3);
  }

  @Test
  void routesEachTableByItsOwnTemplates() throws Exception {
    String other = kafka.newTopic("private", 1);
    tables.list("{table: outbox_event}, {table: event, topic: %s, key: '{id}'}".formatted(other));
    rig.awaitLeading(rig.start(""));
    tables.insert(0, 4, true);
    rig.awaitEvents(2);
    rig.await(() -> rig.consume(other).size() == 2);
    assertThat(rig.numbersOf(rig.consume())).containsExactlyInAnyOrder(0, 2);
    assertThat(rig.numbersOf(rig.consume(other))).containsExactly(1, 3);
    assertThat(rig.consume(other))
        .allSatisfy(
            record -> assertThat(record.key()).isEqualTo(PipelineRig.header(record, "ce_id")));
  }

  @Test
  void goesOnInTheMiddleOfATransactionOverTwoTables() throws Exception {
    tables.insert(0, 20, true);
    for (int round = 0; round < 4; round++) {
      Pipeline pipeline = rig.start(rig.batch("{maxEvents: 3, atomicEvents: 3}"));
      rig.awaitLeading(pipeline);
      tables.insert(20 + round * 60, 80 + round * 60, true);
      rig.awaitEvents(40 + round * 60);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    }
    rig.awaitLeading(rig.start(""));
    assertThatAllCameInOrder(260);
  }

  @Test
  void parksARowOfOneTableAndHoldsItsKeyInTheOther() throws Exception {
    rig.execute(
        "ALTER TABLE event DROP CONSTRAINT outbox_event_headers_must_be_an_object_of_strings",
        "ALTER TABLE event DROP CONSTRAINT outbox_event_headers_must_be_fit_to_send");
    rig.awaitLeading(rig.start(""));
    rig.execute(unfit("event", 0), insert("outbox_event", 5), insert("outbox_event", 1));
    rig.awaitEvents(1);
    rig.await(
        () -> rig.query("SELECT count(*) FROM outbox_parked WHERE state = 'waiting'").equals("2"));
    assertThat(rig.numbersOf(rig.consume())).as("other keys go on").containsExactly(1);
    assertThat(
            rig.database.list(
                "SELECT source_table || ' ' || is_behind FROM outbox_parked ORDER BY ordinal"))
        .containsExactly("event false", "outbox_event true");
    rig.execute(
        "UPDATE outbox_parked SET headers = '{}', requested = 'release' WHERE NOT is_behind");
    rig.awaitEvents(3);
    assertThat(rig.numbersOf(rig.consume()).stream().filter(number -> number % 5 == 0))
        .containsExactly(0, 5);
  }

  /** Versions before parked events without a table, and operators may have renamed it since. */
  @Test
  void releasesWhatEarlierVersionsParkedAndNothingOfATableItDoesNotKnow() throws Exception {
    rig.names = ONE;
    rig.execute(
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_headers_must_be_an_object_of_strings",
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_headers_must_be_fit_to_send");
    rig.awaitLeading(rig.start(""));
    rig.execute(unfit("outbox_event", 0), unfit("outbox_event", 1), insert("outbox_event", 2));
    rig.awaitEvents(1);
    rig.await(
        () -> rig.query("SELECT count(*) FROM outbox_parked WHERE state = 'waiting'").equals("2"));
    rig.execute(
        "UPDATE outbox_parked SET headers = '{}', requested = 'release',"
            + " source_table = CASE ordinal WHEN 1 THEN NULL ELSE 'before' END");
    rig.awaitEvents(2);
    assertThat(rig.numbersOf(rig.consume())).containsExactlyInAnyOrder(2, 0);
    rig.await(
        () ->
            rig.query("SELECT reason FROM outbox_parked WHERE ordinal = 2")
                .contains("it is of table before, which is not configured"));
    rig.execute(
        "UPDATE outbox_parked SET requested = 'release', source_table = 'outbox_event' WHERE ordinal = 2");
    rig.awaitEvents(3);
  }

  @Test
  void aTableThatIsNotInThePublicationIsNamed() throws Exception {
    rig.execute("ALTER PUBLICATION outbox_publication DROP TABLE event");
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("ADD TABLE public.event");
    rig.execute("ALTER PUBLICATION outbox_publication ADD TABLE event");
    rig.awaitLeading(pipeline);
  }

  @Test
  void refusesNumbersAsIdsOfSeveralTables() throws Exception {
    rig.execute(
        "ALTER TABLE event ALTER COLUMN id DROP DEFAULT, ALTER COLUMN id TYPE bigint USING 0");
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("and source.tables has several tables");
  }

  /** A row that fits no message, until its headers are corrected. */
  private static String unfit(String table, int number) {
    return insert(table, number)
        .replace("payload)", "payload, headers)")
        .replace("')\n", "', '{\"a\": {\"b\": 1}}')\n");
  }

  @Test
  void keepsTheCountWhenTheShortFormBecomesAList() throws Exception {
    rig.names = ONE;
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 10);
    rig.awaitEvents(10);
    String mark = rig.checkpoint().publicationMark();
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    tables.list("{table: outbox_event}");
    rig.awaitLeading(rig.start(""));
    rig.insert(10, 20);
    rig.awaitEvents(20);
    rig.assertThatEventsAreExactly(20);
    assertThat(rig.checkpoint().publicationMark()).isEqualTo(mark);
    assertThat(rig.consume())
        .allMatch(record -> record.headers().lastHeader("outbox_table") == null);
  }

  /** Also where gaps are healed by themselves: its rows of before nobody has ever looked at. */
  @Test
  void aTableNewToTheSourceOrGoneFromItWaitsForAnOperator() throws Exception {
    rig.names = ONE + "\n      onGap: reconcile";
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 10);
    rig.awaitEvents(10);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    tables.list("{table: outbox_event}, {table: event}");
    rig.names += "\n      onGap: reconcile";
    Pipeline after = rig.start("");
    rig.awaitState(after, State.STOPPED);
    assertThat(after.status().reason())
        .contains("table event is read from now on, and the last position does not cover it");
    assertThat(after.stop(Duration.ofSeconds(20))).isTrue();
    rig.names = ONE;
    rig.insert(10, 20);
    rig.awaitLeading(rig.start(""));
    rig.awaitEvents(20);
    rig.assertThatEventsAreExactly(20);
  }
}
