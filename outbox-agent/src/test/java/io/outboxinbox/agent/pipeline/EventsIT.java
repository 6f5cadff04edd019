package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What schema/README.md says of what an event is, and of how to move rows. */
class EventsIT {
  @RegisterExtension
  static final PostgresExtension postgres15 = PostgresExtension.shared(PostgresVersion.V15);

  @RegisterExtension
  static final PostgresExtension postgres17 = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension
  static final PostgresExtension postgres18 = PostgresExtension.shared(PostgresVersion.V18);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final String DAY = "2026-11-01";

  private PipelineRig rig;

  private Pipeline leader(PostgresVersion version) throws Exception {
    rig =
        new PipelineRig(
            switch (version) {
              case V15 -> postgres15;
              case V17 -> postgres17;
              case V18 -> postgres18;
            },
            kafka);
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    return pipeline;
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  /** All of it is in the log before an event that ends the wait. */
  private List<String> idsThrough(int last) throws Exception {
    rig.insert(last, last + 1);
    String end = rig.idOf(last);
    rig.await(() -> ids().contains(end));
    return ids();
  }

  private List<String> ids() {
    return rig.consume().stream().map(record -> PipelineRig.header(record, "ce_id")).toList();
  }

  private String idInDay() throws Exception {
    rig.execute(
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload)"
            + " VALUES (outbox_uuid7_floor('%s 12:00Z'), 'order', 'k', 'placed', '{\"n\": 100}')"
                .formatted(DAY));
    return rig.idOf(100);
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void anInsertIsAnEventAndNothingElseIs(PostgresVersion version) throws Exception {
    Pipeline pipeline = leader(version);
    rig.insert(0, 3);
    List<String> inserted = List.of(rig.idOf(0), rig.idOf(1), rig.idOf(2));
    rig.execute(
        "UPDATE outbox_event SET event_type = 'changed' WHERE (payload ->> 'n') = '0'",
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type) VALUES ('%s', 'order', 'k', 'again') ON CONFLICT (id) DO UPDATE SET event_type = 'again'"
            .formatted(inserted.get(1)),
        "DELETE FROM outbox_event WHERE id = '%s'".formatted(inserted.get(2)),
        "TRUNCATE outbox_event");
    List<String> seen = idsThrough(3);
    assertThat(seen).hasSize(4).containsAll(inserted);
    assertThat(rig.consume())
        .allSatisfy(
            record -> assertThat(PipelineRig.header(record, "ce_type")).isEqualTo("placed"));
    assertThat(pipeline.status().restarts()).isZero();
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void rowsMovedThroughTheTableArePublishedAgain(PostgresVersion version) throws Exception {
    leader(version);
    String id = idInDay();
    rig.execute(
        "WITH moved AS (DELETE FROM outbox_event WHERE id = '%s' RETURNING *) INSERT INTO outbox_event SELECT * FROM moved"
            .formatted(id));
    assertThat(idsThrough(0)).filteredOn(id::equals).hasSize(2);
    rig.execute("UPDATE outbox_event SET id = outbox_uuid7() WHERE id = '%s'".formatted(id));
    assertThat(idsThrough(1)).hasSize(5).contains(rig.idOf(100));
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void rowsMovedAsTheDocumentsSayAreNotPublishedAgain(PostgresVersion version) throws Exception {
    Pipeline pipeline = leader(version);
    String id = idInDay();
    Matcher move =
        Pattern.compile("```sql\\n(BEGIN;\\nLOCK TABLE outbox_event;.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("../schema/README.md")));
    assertThat(move.find()).isTrue();
    assertThat(move.group(1)).contains(DAY);
    rig.execute(move.group(1));
    assertThat(idsThrough(0)).hasSize(2).filteredOn(id::equals).hasSize(1);
    rig.execute(
        "DO $$ BEGIN ASSERT (SELECT tableoid::regclass::text FROM outbox_event WHERE id = '%s') = 'outbox_event_p20261101'; END $$"
            .formatted(id),
        // What is inserted from now on goes there, and is an event.
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload)"
            + " VALUES (outbox_uuid7_floor('%s 13:00Z'), 'order', 'k', 'placed', '{\"n\": 101}')"
                .formatted(DAY));
    assertThat(idsThrough(1)).hasSize(4).contains(rig.idOf(101));
    assertThat(pipeline.status().restarts()).isZero();
  }
}
