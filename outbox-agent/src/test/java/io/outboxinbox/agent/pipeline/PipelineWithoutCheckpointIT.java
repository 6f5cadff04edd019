package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** At least once, in order, with stable ids, where the slot is the only memory. */
class PipelineWithoutCheckpointIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @Test
  void losesNothingAndKeepsOrderThroughPartialConfirmationsAndRestarts() throws Exception {
    PipelineRig rig = new PipelineRig(postgres, kafka);
    ScriptedPublishing broker = new ScriptedPublishing(3);
    rig.insert(0, 20);
    PipelineConfiguration kafkaPipeline = rig.configuration("");
    PipelineConfiguration configuration =
        new PipelineConfiguration(
            kafkaPipeline.name(),
            kafkaPipeline.source(),
            kafkaPipeline.route(),
            broker,
            kafkaPipeline.batch(),
            kafkaPipeline.leadership(),
            kafkaPipeline.retry(),
            kafkaPipeline.parking(),
            kafkaPipeline.wal(),
            kafkaPipeline.retention());
    for (int round = 1; round <= 3; round++) {
      Pipeline pipeline = rig.start(configuration);
      await()
          .atMost(Duration.ofSeconds(90))
          .until(() -> pipeline.status().state() == PipelineStatus.State.LEADING);
      rig.insert(round * 20, round * 20 + 20);
      int expected = round * 20 + 20;
      await()
          .atMost(Duration.ofSeconds(90))
          .until(() -> new LinkedHashSet<>(List.copyOf(broker.arrived)).size() == expected);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    }
    assertThat(new ArrayList<>(new LinkedHashSet<>(broker.arrived))).isEqualTo(idsInOrder(rig));
    rig.close();
  }

  /** The table cannot be told apart from the broker here, so a crash may repeat, never lose. */
  @Test
  void parksAndReleasesToo() throws Exception {
    PipelineRig rig = new PipelineRig(postgres, kafka);
    try (ParkingRig parked = new ParkingRig(rig)) {
      ScriptedPublishing broker = new ScriptedPublishing(0);
      PipelineConfiguration kafkaPipeline = rig.configuration("");
      PipelineConfiguration configuration =
          new CrashingPublishing(broker, (batch, after) -> CrashingPublishing.Crash.NONE)
              .in(kafkaPipeline);
      Pipeline pipeline = rig.start(configuration);
      rig.awaitState(pipeline, PipelineStatus.State.LEADING);
      rig.execute(
          "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_headers_must_be_fit_to_send");
      parked.insert("bad", "k", null, "{\"ce_id\": \"forged\"}");
      parked.insert("behind", "k", null, "{}");
      parked.insert("good", "l", null, "{}");
      parked.awaitWaiting(2);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      Pipeline again = rig.start(configuration);
      rig.awaitState(again, PipelineStatus.State.LEADING);
      rig.execute(
          "UPDATE outbox_parked SET headers = '{}', requested = 'release' WHERE NOT is_behind");
      parked.awaitWaiting(0);
      List<String> ids =
          parked.list("SELECT id FROM outbox_event WHERE event_type IN ('bad', 'behind', 'good')");
      assertThat(new LinkedHashSet<>(List.copyOf(broker.arrived))).containsAll(ids);
      assertThat(broker.arrived.indexOf(parked.query(idOf("bad"))))
          .isLessThan(broker.arrived.indexOf(parked.query(idOf("behind"))));
    } finally {
      rig.close();
    }
  }

  private static String idOf(String type) {
    return "SELECT id FROM outbox_event WHERE event_type = '" + type + "'";
  }

  private static List<String> idsInOrder(PipelineRig rig) throws Exception {
    List<String> ids = new ArrayList<>();
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery("SELECT id FROM outbox_event ORDER BY (payload->>'n')::int")) {
      while (rows.next()) {
        ids.add(rows.getString(1));
      }
    }
    return ids;
  }
}
