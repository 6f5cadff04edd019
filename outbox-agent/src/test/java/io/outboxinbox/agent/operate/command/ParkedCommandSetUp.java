package io.outboxinbox.agent.operate.command;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.CommandRun;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A real table of parked events, and command {@code parked} as an operator types it. */
abstract class ParkedCommandSetUp {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @TempDir Path folder;
  PostgresDatabase database;
  Path config;
  String source;

  @BeforeEach
  void prepare() throws Exception {
    database = PipelineRig.newDatabase(postgres);
    String systemId = one("SELECT system_identifier::text FROM pg_control_system()");
    source = systemId + "/" + database.name() + "/outbox_publication";
    config =
        Files.writeString(
            folder.resolve("agent.yml"),
            """
            pipelines:
              - name: orders
                source: {host: "%s", port: %d, database: %s, username: outbox_agent, password: agent, sslMode: disable}
                route: {topic: "shop.{aggregate_type}", allowedTopics: ["*"]}
                publish: {type: kafka, bootstrapServers: "localhost:1"}
            """
                .formatted(database.host(), database.port(), database.name()));
  }

  final String one(String sql) throws SQLException {
    return database.query(sql);
  }

  /** Parks an event as the leader does; {@code key} null for none. */
  final void park(long ordinal, String key, boolean isBehind, String reason) throws SQLException {
    database.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, aggregate_type, aggregate_id, event_type,
          payload, content_type, headers, key, reason, is_behind, epoch, xid, lsn, committed_at)
        VALUES ('%s', %d, 'id-%2$d', 'order', '4711', 'OrderPlaced', 'secret-%2$d', 'application/json',
          '{"tenant": "acme"}', %s, '%s', %s, 7, 99, '0/10', now())
        """
            .formatted(source, ordinal, key == null ? "NULL" : "'" + key + "'", reason, isBehind));
  }

  final CommandRun run(String action, String... more) throws Exception {
    List<String> arguments = new ArrayList<>(List.of("parked", action, config.toString()));
    arguments.addAll(List.of(more));
    arguments.addAll(List.of("--pipeline", "orders"));
    return CommandRun.of(
        (answers, progress) -> new ParkedCommand(answers, Clock.systemUTC()), arguments);
  }

  final CommandRun succeed(String action, String... more) throws Exception {
    CommandRun ended = run(action, more);
    assertThat(ended.exitCode()).as(ended.toString()).isZero();
    return ended;
  }

  final String requests() throws SQLException {
    return one(
        "SELECT coalesce(string_agg(ordinal || ' ' || requested || ' ' || requested_by, ', '"
            + " ORDER BY ordinal), '') FROM outbox_parked WHERE requested IS NOT NULL");
  }
}
