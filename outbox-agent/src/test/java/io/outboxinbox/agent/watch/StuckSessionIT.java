package io.outboxinbox.agent.watch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The process of a leader's session is stopped, or hangs in its disk; ending it has no effect. */
class StuckSessionIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @Test
  void isNamedAndTheValveOpensMeanwhile() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      PipelineConfiguration release = rig.wal("{budgetBytes: 1MiB, whenSpent: release}");
      Pipeline before = rig.start(release);
      rig.awaitLeading(before);
      assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
      try (Connection stuck = new SourceConnections(release.source()).open("leadership", 20);
          Statement statement = stuck.createStatement()) {
        statement.execute("SELECT pg_advisory_lock(45253, hashtext('outbox_publication'))");
        String pid = CatalogQuery.one(stuck, "SELECT pg_backend_pid()", row -> row.getString(1));
        signal("STOP", pid);
        try {
          Pipeline pipeline = rig.start(release);
          awaitNamed(pipeline, pid);
          rig.execute("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 2097152))");
          await().atMost(Duration.ofMinutes(3)).until(() -> slots(rig).equals("0"));
          signal("CONT", pid);
          rig.awaitLeading(pipeline);
        } finally {
          signal("CONT", pid);
        }
      }
    }
  }

  private static void awaitNamed(Pipeline pipeline, String pid) {
    await()
        .atMost(Duration.ofSeconds(90))
        .pollInterval(Duration.ofMillis(20))
        .untilAsserted(
            () -> {
              assertThat(pipeline.status().state()).isEqualTo(State.WAITING_FOR_DATABASE);
              assertThat(pipeline.status().reason())
                  .contains(
                      "process %s (role outbox_agent, application 'outbox-agent leadership') keeps the leadership lock"
                          .formatted(pid),
                      "kill -CONT " + pid);
            });
  }

  private static String slots(PipelineRig rig) throws Exception {
    return rig.query(
        "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()");
  }

  private static void signal(String name, String pid) throws Exception {
    assertThat(new ProcessBuilder("kill", "-" + name, pid).start().waitFor()).isLessThan(2);
  }
}
