package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.pipeline.PoolerLikeProxy.Treatment;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PoolerIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @ParameterizedTest
  @CsvSource({"REFUSE, REFUSE", "DROP, REFUSE", "DROP, DROP", "PASS, REFUSE", "PASS, DROP"})
  void aPoolerInFrontOfTheDatabaseIsNamedByCheckAndByTheRunningAgent(
      Treatment options, Treatment replication) throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka);
        PoolerLikeProxy pooler = new PoolerLikeProxy(rig.database.port(), options, replication)) {
      PipelineConfiguration throughPooler = rig.configurationWithPort(pooler.port());
      assertThat(SourcePreflight.check(throughPooler.source(), false))
          .filteredOn(finding -> finding.severity() == Finding.Severity.MISCONFIGURED)
          .singleElement()
          .satisfies(
              finding -> {
                assertThat(finding.what()).contains("a connection pooler such as PgBouncer");
                assertThat(finding.fix()).contains("source.host and source.port");
              });
      Pipeline pipeline = rig.start(throughPooler);
      rig.awaitState(pipeline, State.MISCONFIGURED);
      assertThat(pipeline.status().reason()).contains("a connection pooler such as PgBouncer");
    }
  }

  /** Where a slot is there already, the reader of the log is the first to need replication. */
  @ParameterizedTest
  @CsvSource({"PASS, REFUSE"})
  void aPoolerPutInFrontLaterIsNamedToo(Treatment options, Treatment replication) throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka);
        PoolerLikeProxy pooler = new PoolerLikeProxy(rig.database.port(), options, replication)) {
      Pipeline direct = rig.start("");
      rig.awaitLeading(direct);
      assertThat(direct.stop(java.time.Duration.ofSeconds(60))).isTrue();
      Pipeline pipeline = rig.start(rig.configurationWithPort(pooler.port()));
      rig.awaitState(pipeline, State.MISCONFIGURED);
      assertThat(pipeline.status().reason()).contains("a connection pooler such as PgBouncer");
    }
  }
}
