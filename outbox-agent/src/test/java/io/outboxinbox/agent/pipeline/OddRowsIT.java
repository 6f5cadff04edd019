package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.ProcessZone;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.replay.Replay;
import io.outboxinbox.agent.source.outbox.StoredRows.Selection;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The same row makes the same message, or is refused for the same reason, whether it comes from the
 * log, from the backlog, from a reconciliation or from a replay; in a process and on a server with
 * other time zones than UTC, and with session defaults that change how values are written.
 */
class OddRowsIT {
  private static final String BIG_TEXT =
      "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, %d) i)";

  /** Differs between two messages of equal rows. */
  private static final Set<String> OF_THE_MESSAGE =
      Set.of("ce_id", "ce_sequence", "ce_epoch", "outbox_reconciled", HeaderNames.REPLAY_ID);

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @RegisterExtension static final ProcessZone zone = new ProcessZone("America/New_York");

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
    String database = "ALTER DATABASE \"" + rig.database.name() + "\" SET ";
    rig.execute(
        database + "timezone = 'Asia/Kathmandu'",
        database + "datestyle = 'German, DMY'",
        database + "bytea_output = 'escape'");
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  /**
   * A table and rows in it.
   *
   * @param ddl of the columns
   * @param mapping YAML for the source block
   * @param rows what the row is about, to the SQL of its values, in the columns' order
   */
  record Corpus(String name, String ddl, String mapping, Map<String, String> rows) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Corpus> corpora() {
    return Stream.of(texts(), bytes(), domains(""), domains("outer_"), jsons());
  }

  private static Corpus texts() {
    Map<String, String> rows = new TreeMap<>();
    for (String time :
        List.of(
            "2026-03-08 02:30:00.123456+00",
            "2026-07-01 12:00:00",
            "1883-11-18 12:03:57.5",
            "1800-01-01 00:00:00",
            "0044-03-15 12:00:00 BC",
            "4713-06-01 00:00:00 BC",
            "294276-12-31 12:00:00",
            "infinity",
            "-infinity")) {
      rows.put("time " + time, "'x', '{}', '" + time + "', NULL, true");
    }
    rows.put("no time", "'x', '{}', NULL, NULL, NULL");
    rows.put("no payload where there is a default", "NULL, NULL, now(), NULL, false");
    rows.put("empty payload", "'', '{}', '2026-01-01', '', false");
    rows.put("wide characters", "'gr\u00fc\u00dfe \ud83d\ude00', '{}', NULL, 'text/\u00e4', true");
    rows.put("big", BIG_TEXT.formatted(27_000) + ", '{}', NULL, NULL, NULL");
    rows.put("too big", BIG_TEXT.formatted(90_000) + ", '{\"a\": \"b\"}', 'infinity', NULL, true");
    rows.put(
        "numbers in headers", "'x', '{\"n\": 1.50, \"b\": true, \"z\": null}', NULL, NULL, NULL");
    rows.put("nested headers", "'x', '{\"a\": {\"b\": 1}}', NULL, NULL, NULL");
    rows.put("headers that are no object", "'x', '[1]', NULL, NULL, NULL");
    rows.put("long header", "'x', jsonb_build_object('h', repeat('x', 70000)), NULL, NULL, NULL");
    rows.put("foreign type", "'x', '{}', NULL, E'a\\nb\\tc', NULL");
    return new Corpus(
        "texts",
        "payload text DEFAULT 'default', headers jsonb DEFAULT '{\"by\": \"default\"}',"
            + " at timestamptz DEFAULT now(), mime text DEFAULT 'text/plain', flag bool",
        "columns: {headers: headers, occurred_at: at, content_type: mime}\n"
            + "      extraColumns: [flag]",
        rows);
  }

  private static Corpus bytes() {
    Map<String, String> rows = new TreeMap<>();
    rows.put("all bytes", "decode('00ff5c78275c', 'hex'), '{}', '2026-07-01 12:00:00'");
    rows.put("empty", "''::bytea, '{ \"a\":\"b\", \"a\":\"c\" }', '2026-11-01 01:30:00'");
    rows.put("default", "NULL, NULL, NULL");
    rows.put("half a character", "'\\x5c', '{\"h\": \"\\ud800\"}', '2026-03-08 02:30:00.123456'");
    rows.put("nul in a header", "'\\x00', '{\"h\": \"\\u0000\"}', '1883-11-18 12:00:00'");
    rows.put("large", "convert_to(" + BIG_TEXT.formatted(25_000) + ", 'UTF8'), NULL, NULL");
    for (String time :
        List.of("infinity", "-infinity", "0001-01-01 00:00:00 BC", "294276-12-31 23:59:59")) {
      rows.put("time " + time, "'\\x01', '{}', '" + time + "'");
    }
    return new Corpus(
        "bytes",
        "payload bytea DEFAULT '\\x00', headers json, at timestamp DEFAULT now()",
        "columns: {headers: headers, occurred_at: at}",
        rows);
  }

  private static Corpus domains(String prefix) {
    Map<String, String> rows = new TreeMap<>();
    rows.put("plain", "'{\"a\":  1.0, \"b\": \"\\u00fc\"}', 'a/one', '2026-07-01 12:00+05', 7");
    rows.put("nulls", "NULL, NULL, NULL, NULL");
    rows.put("infinite", "'[]', 'two words', 'infinity', -1");
    return new Corpus(
        prefix + "domains",
        "payload %1$sdoc, mime %1$skind, at %1$smoment, nr %1$sint".formatted(prefix),
        "columns: {content_type: mime, occurred_at: at}\n      extraColumns: [nr]",
        rows);
  }

  private static Corpus jsons() {
    Map<String, String> rows = new TreeMap<>();
    rows.put("spaces and repeats", "'{ \"b\":1,  \"a\":2, \"a\":3 }', '2026-07-01 12:00:00.5'");
    rows.put("half a character", "'\"\\ud83d\"', '2026-07-01 12:00:00'");
    rows.put("nul", "'\"\\u0000\"', NULL");
    rows.put("null of json", "'null', NULL");
    rows.put("null of SQL", "NULL, NULL");
    return new Corpus(
        "jsons", "payload json DEFAULT '{\"v\": 1}', at late", "columns: {occurred_at: at}", rows);
  }

  @ParameterizedTest
  @MethodSource("corpora")
  void makesTheSameMessageOfARowOnEveryWay(Corpus corpus) throws Exception {
    create(corpus);
    PipelineConfiguration configuration = configuration(corpus, "stop");
    insert(corpus, "backlog");
    Pipeline first = rig.start(configuration);
    rig.awaitLeading(first);
    awaitAll(corpus, 1);
    insert(corpus, "log");
    awaitAll(corpus, 2);
    assertThat(first.stop(Duration.ofSeconds(30))).isTrue();
    insert(corpus, "reconcile");
    rig.dropSlot();
    Pipeline second = rig.start(configuration(corpus, "reconcile"));
    rig.awaitLeading(second);
    awaitAll(corpus, 3);

    Map<String, String> backlog = results("backlog");
    assertThat(backlog).containsOnlyKeys(corpus.rows().keySet());
    assertThat(results("log")).isEqualTo(backlog);
    assertThat(results("reconcile")).isEqualTo(backlog);
    if (corpus.name().equals("texts")) {
      assertThat(backlog.get("time 2026-07-01 12:00:00")).contains("ce_time=2026-07-01T06:15:00Z");
      assertThat(backlog.get("no payload where there is a default")).contains("value=null");
    } else if (corpus.name().equals("bytes")) {
      assertThat(backlog.get("all bytes"))
          .contains("value=00ff5c78275c")
          .contains("ce_time=2026-07-01T12:00:00Z");
      assertThat(backlog.get("time infinity")).startsWith("parked").contains("must be a finite");
    }
    replay(corpus, configuration, backlog);
    assertThat(second.status().state()).isEqualTo(State.LEADING);
  }

  private void create(Corpus corpus) throws SQLException {
    rig.execute(
        "CREATE DOMAIN doc AS jsonb",
        "CREATE DOMAIN kind AS varchar(40)",
        "CREATE DOMAIN moment AS timestamptz",
        "CREATE DOMAIN late AS timestamp",
        "CREATE DOMAIN number AS int",
        "CREATE DOMAIN outer_doc AS doc",
        "CREATE DOMAIN outer_kind AS kind",
        "CREATE DOMAIN outer_moment AS moment",
        "CREATE DOMAIN outer_int AS number",
        "CREATE DOMAIN way AS text",
        "CREATE TYPE subject AS ENUM ('order', 'Two Words')",
        "CREATE TABLE odd (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), aggregatetype subject,"
            + " aggregateid way, type char(12), "
            + corpus.ddl()
            + ")",
        "ALTER PUBLICATION outbox_publication ADD TABLE odd",
        "GRANT SELECT ON odd TO outbox_agent");
  }

  private PipelineConfiguration configuration(Corpus corpus, String onGap) throws Exception {
    return rig.configuration(
        "table: odd\n      layout: debezium\n      %s\n      onGap: %s"
            .formatted(corpus.mapping(), onGap));
  }

  /** All in one transaction; the key tells way and row. */
  private void insert(Corpus corpus, String way) throws SQLException {
    List<String> sql = new ArrayList<>();
    corpus
        .rows()
        .forEach(
            (name, values) ->
                sql.add(
                    "INSERT INTO odd VALUES (DEFAULT, 'Two Words', '%s: %s', 'placed', %s)"
                        .formatted(way, name, values)));
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("SET timezone = 'Asia/Kathmandu'");
      statement.execute("SET datestyle = 'ISO'");
      connection.setAutoCommit(false);
      for (String one : sql) {
        statement.execute(one);
      }
      connection.commit();
    }
  }

  private void awaitAll(Corpus corpus, int ways) {
    int all = corpus.rows().size() * ways;
    rig.await(() -> rig.consume().size() + parkedCount() >= all);
    assertThat(rig.consume().size() + parkedCount()).isEqualTo(all);
  }

  private int parkedCount() {
    try {
      return parked("").size();
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Row to what became of it, without what tells one message of it from another. */
  private Map<String, String> results(String way) throws SQLException {
    Map<String, String> results = new TreeMap<>(parked(way));
    for (ConsumerRecord<String, byte[]> record : rig.consume()) {
      if (record.key().startsWith(way + ": ")) {
        results.put(record.key().substring(way.length() + 2), shown(record, way));
      }
    }
    return results;
  }

  private static String shown(ConsumerRecord<String, byte[]> record, String way) {
    Map<String, String> headers = new TreeMap<>();
    for (Header header : record.headers()) {
      if (!OF_THE_MESSAGE.contains(header.key())) {
        headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8));
      }
    }
    // A row without a time gets that of its commit, which only the log knows.
    headers.computeIfPresent(
        "ce_time", (name, time) -> isOfThisRun(Instant.parse(time)) ? "now" : time);
    return "published "
        + headers.toString().replace(way + ": ", "")
        + " value="
        + hex(record.value());
  }

  private static boolean isOfThisRun(Instant time) {
    return Duration.between(time, Instant.now()).abs().compareTo(Duration.ofHours(6)) < 0;
  }

  private static String hex(byte[] value) {
    if (value == null || value.length < 100) {
      return value == null ? "null" : HexFormat.of().formatHex(value);
    }
    try {
      return value.length
          + " bytes "
          + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(value));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private Map<String, String> parked(String way) throws SQLException {
    String sql =
        "SELECT event_id, aggregate_id, aggregate_type, event_type, payload, content_type, headers,"
            + " topic, occurred_at::text, extra::text, reason FROM outbox_parked";
    Map<String, String> parked = new TreeMap<>();
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      while (row.next()) {
        String key = row.getString("aggregate_id");
        if (key.startsWith(way)) {
          List<String> shown = new ArrayList<>();
          for (String column :
              List.of(
                  "aggregate_type",
                  "event_type",
                  "content_type",
                  "headers",
                  "occurred_at",
                  "extra")) {
            shown.add(column + "=" + row.getString(column));
          }
          String reason =
              row.getString("reason")
                  .replace(row.getString("event_id"), "ID")
                  .replaceAll("after number \\d+", "");
          parked.put(
              way.isEmpty() ? key : key.substring(way.length() + 2),
              "parked " + shown + " value=" + hex(row.getBytes("payload")) + " " + reason);
        }
      }
    }
    return parked;
  }

  /** What is published comes once more, the same; what is parked is left out. */
  private void replay(
      Corpus corpus, PipelineConfiguration configuration, Map<String, String> expected)
      throws Exception {
    rig.execute("DELETE FROM outbox_parked");
    String again = kafka.newTopic("again", 1);
    Selection all = new Selection(null, null, List.of(), null, null);
    rig.await(
        () ->
            new Replay(configuration)
                    .run(
                        new Replay.Order("r", null, all, kafka.newTopic("probe", 1), 100_000, null),
                        p -> {})
                    .unpublished()
                == 0);
    Replay replay = new Replay(configuration);
    Replay.Progress done =
        replay.run(new Replay.Order("r", null, all, again, 100_000, null), p -> {});
    Map<String, String> replayed = new TreeMap<>();
    for (ConsumerRecord<String, byte[]> record : rig.consume(again)) {
      if (record.key().startsWith("log: ")) {
        replayed.put(record.key().substring(5), shown(record, "log"));
      }
    }
    Map<String, String> published = new TreeMap<>(expected);
    published.values().removeIf(result -> result.startsWith("parked"));
    assertThat(replayed).isEqualTo(published);
    assertThat(done.refused()).isEqualTo(3L * (corpus.rows().size() - published.size()));
  }
}
