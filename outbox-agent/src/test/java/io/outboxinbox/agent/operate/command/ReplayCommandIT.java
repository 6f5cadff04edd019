package io.outboxinbox.agent.operate.command;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.CommandRun;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.replay.Replay;
import io.outboxinbox.agent.source.outbox.StoredRows;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The command as an operator types it; no agent runs. */
class ReplayCommandIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @TempDir private Path folder;
  private PostgresDatabase database;
  private String topic;
  private Path config;

  @BeforeEach
  void prepare() throws Exception {
    database = PipelineRig.newDatabase(postgres);
    topic = kafka.newTopic("replay", 1);
    database.execute(
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type) SELECT 'order', n::text, 't' FROM generate_series(1, 30) AS n");
    config =
        Files.writeString(
            folder.resolve("agent.yml"),
            """
            pipelines:
              - name: orders
                source: {host: "%s", port: %d, database: %s, username: outbox_agent, password: agent, sslMode: disable}
                route: {topic: %s, allowedTopics: ["%4$s", missing]}
                publish: {type: kafka, bootstrapServers: "%s"}
            """
                .formatted(
                    database.host(),
                    database.port(),
                    database.name(),
                    topic,
                    kafka.bootstrapServers()));
  }

  private CommandRun run(String... more) throws Exception {
    List<String> arguments =
        new ArrayList<>(List.of("replay", config.toString(), "--pipeline", "orders"));
    arguments.addAll(List.of(more));
    return CommandRun.of(ReplayCommand::new, arguments);
  }

  private long messages() throws Exception {
    TopicPartition partition = new TopicPartition(topic, 0);
    return kafka
        .admin()
        .listOffsets(Map.of(partition, OffsetSpec.latest()))
        .partitionResult(partition)
        .get()
        .offset();
  }

  @Test
  void onlyCountsUntilToldToPublish() throws Exception {
    CommandRun asked = run("--aggregate-type", "order");
    assertThat(asked.exitCode()).as(asked.toString()).isZero();
    assertThat(asked.out())
        .contains("30 events to their topics as replay replay-", "less than a minute")
        .contains("add --yes to do it");
    assertThat(messages()).isZero();
    CommandRun done = run("--aggregate-type", "order", "--id", "r1", "--rate", "100/s", "--yes");
    assertThat(done.exitCode()).as(done.toString()).isZero();
    assertThat(done.out()).contains("replay r1: 30 published, 0 refused");
    assertThat(messages()).isEqualTo(30);
  }

  @Test
  void saysWhichOfTheIdsAreMissing() throws Exception {
    Path ids = Files.writeString(folder.resolve("ids"), UUID.randomUUID() + "\n\n");
    CommandRun ended = run("--ids", ids.toString(), "--yes");
    assertThat(ended.exitCode()).isEqualTo(1);
    assertThat(ended.out()).contains("0 published", "1 of the ids are not in the table");
  }

  /** Equal by the type of the column is not named. */
  @Test
  void takesTheIdsThatAreNamedAndSaysWhichAreMissingWhereOthersAreEqualToThem() throws Exception {
    database.execute(
        "CREATE EXTENSION citext",
        "ALTER TABLE outbox_event RENAME TO outbox_event_before",
        "CREATE TABLE outbox_event (id citext NOT NULL, aggregate_type text NOT NULL, aggregate_id text NOT NULL, event_type text NOT NULL, payload jsonb, content_type text, headers jsonb NOT NULL DEFAULT '{}', topic text, occurred_at timestamptz NOT NULL DEFAULT now())",
        "CREATE INDEX ON outbox_event (id)",
        "GRANT SELECT ON outbox_event TO outbox_agent",
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type) SELECT id, 'order', '1', 't' FROM unnest(ARRAY['a', 'A', 'a', 'b', 'B']) AS id");
    CommandRun ended = run("--ids", "a,B,zzz", "--yes");
    assertThat(ended.out()).contains("3 published", "1 of the ids are not in the table");
    assertThat(ended.exitCode()).isEqualTo(1);
    assertThat(messages()).isEqualTo(3);
  }

  @Test
  void tellsWhatIsRefusedByItsExitCode() throws Exception {
    CommandRun ended = run("--aggregate-id", "7", "--topic", "missing", "--yes");
    assertThat(ended.exitCode()).isEqualTo(1);
    assertThat(ended.out()).contains("refused: event ", "does not exist", "0 published, 1 refused");
    assertThat(run("--aggregate-id", "7", "--topic", "secret").err())
        .contains("add it to route.allowedTopics of pipeline orders");
  }

  @Test
  void refusesArgumentsThatMakeNoSense() throws Exception {
    assertThat(run().err()).contains("say which events");
    for (String[] wrong :
        List.of(
            new String[] {"--from", "yesterday"},
            new String[] {"--ids", ","},
            new String[] {"--aggregate-id", "7", "--rate", "0"},
            new String[] {"--aggregate-id", "7", "--id", "a b"})) {
      CommandRun ended = run(wrong);
      assertThat(ended.exitCode()).as(ended.toString()).isEqualTo(2);
    }
    CommandRun noPipeline = run("--aggregate-id", "7", "--pipeline", "others");
    assertThat(noPipeline.err()).contains("no pipeline others in the configuration");
  }

  /** What is printed leads on as it stands, whatever the id. */
  @ParameterizedTest
  @ValueSource(strings = {"42", "-42", "it's $HOME; \"x\" `y`", "long"})
  void printsHowToGoOnSoThatAShellTakesIt(String given) throws Exception {
    String id = "long".equals(given) ? "x".repeat(2000) : given;
    String told = ReplayCommand.wayOn(anyOrder(), id);
    String word = told.substring(told.indexOf("--after"));
    Process shell = new ProcessBuilder("sh", "-c", "printf %s " + word).start();
    assertThat(new String(shell.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
        .isEqualTo("--after=" + id);
  }

  @Test
  void doesNotGoOnBehindAnIdThatCannotBePrintedOrNone() {
    assertThat(ReplayCommand.wayOn(anyOrder(), "a\u001bb"))
        .isEqualTo(
            "begins again with --id r1; it cannot go on behind an id that is not printable: a?b");
    assertThat(ReplayCommand.wayOn(anyOrder(), null)).isEqualTo("begins again with --id r1");
  }

  private static Replay.Order anyOrder() {
    return new Replay.Order(
        "r1", null, new StoredRows.Selection(null, null, List.of(), "order", null), null, 1, null);
  }
}
