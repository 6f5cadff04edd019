package io.outboxinbox.agent.pipeline;

import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.log.LogReader;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import io.outboxinbox.testkit.TcpProxy;
import java.sql.Connection;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The network forgets connections, and tells neither side. */
class SilentLinkIT {
  private static final Duration WITHIN = Duration.ofSeconds(90);

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  /** It holds a lock of the driver meanwhile, which closing the connection needs. */
  @Test
  void closesWhileDebeziumWaitsForAnAnswer() throws Exception {
    PostgresDatabase database =
        postgres.newDatabase("01_outbox", "02_partitions", "03_publication", "04_agent");
    SourceConfiguration source =
        Sources.of(database, "outbox_event", Layout.STANDARD, Map.of(), List.of());
    database.execute(
        "SELECT pg_create_logical_replication_slot('%s', 'pgoutput')".formatted(source.slot()));
    try (TcpProxy link = TcpProxy.to(database.port());
        Connection connection = database.connect()) {
      SourcePosition now = SourcePosition.atCommit(ServerState.of(connection).currentWalLsn());
      SourceConfiguration behind = Sources.behind(source, link.port());
      LogReader reader = new LogReader(behind, now, "nonce", 100);
      reader.start();
      database.execute(
          "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type) VALUES ('a', 'b', 'c')");
      await().atMost(WITHIN).until(() -> !reader.poll().isEmpty());
      link.forget();
      await().atMost(WITHIN).until(SilentLinkIT::isDebeziumWaiting);
      CompletableFuture.runAsync(reader::close).get(WITHIN.toSeconds(), TimeUnit.SECONDS);
      // The thread has nothing to wait on any more.
      await().atMost(WITHIN).until(() -> !isDebeziumWaiting());
    }
  }

  /** A look at the whole table may take hours, so no answer of it is late. */
  @Test
  void beginsAgainWhileALookAtTheWholeTableWaitsForItsAnswer() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka);
        TcpProxy link = TcpProxy.to(rig.database.port())) {
      rig.insert(0, 5);
      rig.execute(
          "CREATE TABLE slow AS SELECT 1",
          """
          CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
          BEGIN
            IF EXISTS (SELECT FROM public.slow) THEN PERFORM pg_catalog.pg_sleep(3600); END IF;
            RETURN NULL;
          END $$
          """,
          "CREATE TRIGGER wait BEFORE INSERT ON outbox_backlog FOR EACH STATEMENT EXECUTE FUNCTION wait()");
      Pipeline pipeline = rig.start(rig.configurationWithPort(link.port()));
      rig.await(() -> !rig.database.list(WAITS).isEmpty());
      rig.execute("DELETE FROM slow");
      link.forget();
      rig.awaitLeading(pipeline);
      rig.awaitEvents(5);
      rig.assertThatEventsAreExactly(5);
    }
  }

  private static final String WAITS =
      "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";

  /** For the answer to what it asks every ten seconds beside the log. */
  private static boolean isDebeziumWaiting() {
    return Thread.getAllStackTraces().values().stream()
        .map(stack -> Arrays.stream(stack).map(StackTraceElement::getMethodName).toList())
        .anyMatch(
            methods ->
                methods.contains("probeConnectionIfNeeded") && methods.contains("executeQuery"));
  }
}
