package io.outboxinbox.agent.source.log;

import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.slot.ServerState;
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
      reader.poll();
      link.forget();
      await().atMost(WITHIN).until(SilentLinkIT::isDebeziumWaiting);
      CompletableFuture.runAsync(reader::close).get(WITHIN.toSeconds(), TimeUnit.SECONDS);
      // The thread has nothing to wait on any more.
      await().atMost(WITHIN).until(() -> !isDebeziumWaiting());
    }
  }

  /** For the answer to what it asks every ten seconds beside the log. */
  private static boolean isDebeziumWaiting() {
    return Thread.getAllStackTraces().values().stream()
        .map(stack -> Arrays.stream(stack).map(StackTraceElement::getMethodName).toList())
        .anyMatch(
            methods ->
                methods.contains("probeConnectionIfNeeded") && methods.contains("executeQuery"));
  }
}
