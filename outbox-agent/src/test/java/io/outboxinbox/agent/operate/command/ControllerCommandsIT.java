package io.outboxinbox.agent.operate.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.CommandRun;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** People decide with logins of their own; nobody needs the agent's password for that. */
class ControllerCommandsIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @TempDir private Path folder;
  private PostgresDatabase database;

  @BeforeEach
  void prepare() throws Exception {
    database = PipelineRig.newDatabase(postgres);
    database.execute(
        "CREATE ROLE looking_jane LOGIN PASSWORD 'jane' IN ROLE outbox_operator",
        "CREATE ROLE deciding_joe LOGIN PASSWORD 'joe' IN ROLE outbox_controller",
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, aggregate_type, aggregate_id, event_type,
          payload, key, reason, is_behind, epoch, xid, lsn, committed_at)
        SELECT system_identifier || '/' || current_database() || '/outbox_publication', n, 'id-' || n,
          'order', '4711', 'OrderPlaced', 'x', 'k' || n, 'x', false, 7, 99, '0/10', now()
        FROM pg_control_system(), generate_series(1, 3) AS n
        """);
  }

  @AfterEach
  void dropRoles() throws SQLException {
    database.execute("DROP ROLE looking_jane", "DROP ROLE deciding_joe");
  }

  private CommandRun run(String role, String password, String... line) throws Exception {
    Path config =
        Files.writeString(
            folder.resolve(role + ".yml"),
            """
            pipelines:
              - name: orders
                source: {host: "%s", port: %d, database: %s, username: %s, password: %s, sslMode: disable}
                route: {allowedTopics: ["*"]}
                publish: {type: kafka, bootstrapServers: "localhost:1"}
            """
                .formatted(database.host(), database.port(), database.name(), role, password));
    List<String> arguments = new ArrayList<>(List.of(line));
    arguments.add(line[0].equals("parked") ? 2 : 1, config.toString());
    arguments.addAll(List.of("--pipeline", "orders"));
    return CommandRun.of(
        (answers, progress) ->
            switch (line[0]) {
              case "pause" -> new PauseCommand(answers, PauseCommand.Verb.PAUSE, role);
              case "resume" -> new PauseCommand(answers, PauseCommand.Verb.RESUME, role);
              case "reconcile" -> new ReconcileCommand(answers, role);
              default -> new ParkedCommand(answers, Clock.systemUTC());
            },
        arguments);
  }

  private void joe(String... line) throws Exception {
    CommandRun ended = run("deciding_joe", "joe", line);
    assertThat(ended.exitCode()).as(ended.toString()).isZero();
  }

  private String one(String sql) throws SQLException {
    return database.query(sql);
  }

  @Test
  void whoMayDecidePausesReconcilesAndSettlesParkedEvents() throws Exception {
    joe("pause", "--reason", "a test");
    assertThat(one("SELECT paused_by FROM outbox_agent_source")).isEqualTo("deciding_joe");
    joe("resume");
    joe("reconcile", "--yes");
    assertThat(one("SELECT reconcile_requested_by FROM outbox_agent_source"))
        .isEqualTo("deciding_joe");
    joe("parked", "list");
    joe("parked", "release", "1");
    joe("parked", "discard", "2", "--reason", "a test");
    joe("parked", "edit", "3", "--topic", "elsewhere", "--reason", "a test");
    assertThat(
            one(
                "SELECT string_agg(coalesce(requested, topic), ' ' ORDER BY ordinal) FROM outbox_parked"))
        .isEqualTo("release discard elsewhere");
    assertThat(one("SELECT count(*) FROM outbox_parked_edit")).isEqualTo("1");
  }

  /** A script that waits for what will never come would wait for ever. */
  @Test
  void whoWaitsForARequestThatNobodyWillReportIsToldSo() throws Exception {
    assertThat(waited("UPDATE outbox_agent_source SET reconcile_requested_by = 'jane'," + LATER))
        .contains("jane has asked again", "reconcile agent.yml --pipeline orders --report");
    assertThat(waited("UPDATE outbox_agent_source SET reconcile_requested_at = NULL"))
        .contains("was taken back");
    assertThat(waited("DELETE FROM outbox_agent_source")).contains("was taken back");
    assertThat(
            waited(
                REPORTED.formatted("superseded"),
                "UPDATE outbox_agent_source SET reconcile_requested_by = 'jane'," + LATER))
        .contains("jane has asked again");
  }

  private static final String LATER = " reconcile_requested_at = reconcile_requested_at + '1 s'";

  private static final String REPORTED =
      """
      INSERT INTO outbox_reconciliation (source, reconciliation, state, cause, requested_at)
      SELECT source, 1, '%s', 'why', reconcile_requested_at FROM outbox_agent_source
      """;

  /** What a command says and how it ends that waits while this happens. */
  private String waited(String... happens) throws Exception {
    CommandRun ended = waiting(happens).get(30, TimeUnit.SECONDS);
    assertThat(ended.exitCode()).as(ended.toString()).isEqualTo(3);
    return ended.err();
  }

  private CompletableFuture<CommandRun> waiting(String... happens) throws Exception {
    database.execute("DELETE FROM outbox_agent_source");
    CompletableFuture<CommandRun> run =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return run("deciding_joe", "joe", "reconcile", "--yes", "--wait");
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            },
            command -> new Thread(command, "command").start());
    String asked = "SELECT count(reconcile_requested_at) FROM outbox_agent_source";
    await().atMost(Duration.ofSeconds(60)).until(() -> one(asked).equals("1"));
    database.execute(happens);
    return run;
  }

  /** The request is done before the rows it found are published. */
  @Test
  void whoWaitsForARequestThatIsBeingDoneWaitsForItsReport() throws Exception {
    CompletableFuture<CommandRun> run =
        waiting(
            REPORTED.formatted("publishing"),
            "UPDATE outbox_agent_source SET reconcile_requested_at = NULL");
    await().during(Duration.ofSeconds(2)).atMost(Duration.ofSeconds(10)).until(() -> !run.isDone());
    database.execute("UPDATE outbox_reconciliation SET state = 'done'");
    CommandRun ended = run.get(30, TimeUnit.SECONDS);
    assertThat(ended.exitCode()).as(ended.toString()).isZero();
    assertThat(ended.out()).contains("reconciliation 1: done");
  }

  @Test
  void whoMayOnlyLookIsToldWhichRoleDecides() throws Exception {
    assertThat(run("looking_jane", "jane", "parked", "list").exitCode()).isZero();
    for (String[] line :
        new String[][] {
          {"pause", "--reason", "a test"},
          {"reconcile", "--yes"},
          {"parked", "release", "1"}
        }) {
      CommandRun ended = run("looking_jane", "jane", line);
      assertThat(ended.exitCode()).as(ended.toString()).isNotZero();
      assertThat(ended.err() + ended.out())
          .contains("permission denied")
          .contains("GRANT outbox_controller TO \"looking_jane\"");
    }
    assertThat(one("SELECT count(*) FROM outbox_parked WHERE requested IS NOT NULL"))
        .isEqualTo("0");
  }

  /** A controller's rights do not help: the message names what does. */
  @Test
  void whoMayNotDeleteIsToldWhichRolePurges() throws Exception {
    database.execute(
        "UPDATE outbox_parked SET state = 'discarded', settled_at = now() - interval '40 days'");
    for (String who : new String[] {"looking_jane jane", "deciding_joe joe"}) {
      String[] login = who.split(" ", 2);
      String[] purge = {"parked", "purge", "--older-than", "30d", "--yes"};
      CommandRun ended = run(login[0], login[1], purge);
      assertThat(ended.exitCode()).as(ended.toString()).isEqualTo(3);
      assertThat(ended.err())
          .contains("permission denied", "source.username", "\"outbox_agent\"")
          .doesNotContain("outbox_controller");
    }
    assertThat(one("SELECT count(*) FROM outbox_parked")).isEqualTo("3");
    String[] purge = {"parked", "purge", "--older-than", "30d", "--yes"};
    assertThat(run("outbox_agent", "agent", purge).out()).contains("deleted 3 settled");
  }
}
