package io.outboxinbox.schema;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class OutboxTableIT extends SchemaOnEachVersion {
  private static final Map<String, String> GOOD_ROW =
      Map.of(
          "aggregate_type", "'order'",
          "aggregate_id", "'4711'",
          "event_type", "'OrderPlaced'",
          "payload", "'{\"total\": 12.5}'");

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void refusesBadRowsWithTheNameOfTheRule(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      refuses(connection, "aggregate_type", "''", "outbox_event_aggregate_type_must_not_be_empty");
      refuses(connection, "aggregate_type", "NULL", "null value in column \"aggregate_type\"");
      refuses(
          connection,
          "aggregate_type",
          "repeat('x', 250)",
          "outbox_event_aggregate_type_at_most_249_characters");
      refuses(connection, "aggregate_id", "''", "outbox_event_aggregate_id_must_not_be_empty");
      refuses(connection, "aggregate_id", "NULL", "null value in column \"aggregate_id\"");
      refuses(
          connection,
          "aggregate_id",
          "repeat('ü', 513)",
          "outbox_event_aggregate_id_at_most_1024_bytes");
      refuses(connection, "event_type", "''", "outbox_event_event_type_must_not_be_empty");
      refuses(connection, "event_type", "NULL", "null value in column \"event_type\"");
      refuses(
          connection,
          "event_type",
          "repeat('x', 250)",
          "outbox_event_event_type_at_most_249_characters");
      refuses(connection, "content_type", "''", "outbox_event_content_type_must_not_be_empty");
      refuses(
          connection,
          "content_type",
          "repeat('x', 250)",
          "outbox_event_content_type_at_most_249_characters");
      refuses(
          connection,
          "payload",
          "to_json(repeat('x', 999999))",
          "outbox_event_payload_at_most_1000000_bytes");
      refuses(connection, "payload", "'{'", "invalid input syntax for type json");
      assertThat(query(connection, "SELECT count(*) FROM outbox_event")).isEqualTo("0");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void refusesBadHeadersAndTopicsWithTheNameOfTheRule(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      refuses(connection, "headers", "NULL", "null value in column \"headers\"");
      for (String headers :
          new String[] {
            "[]",
            "\"a\"",
            "1",
            "null",
            "{\"a\": 1}",
            "{\"a\": null}",
            "{\"a\": [\"b\"]}",
            "{\"a\": {\"b\": \"c\"}}"
          }) {
        refuses(
            connection,
            "headers",
            "'" + headers + "'",
            "outbox_event_headers_must_be_an_object_of_strings");
      }
      refuses(
          connection,
          "headers",
          "jsonb_build_object('a', repeat('x', 17000))",
          "outbox_event_headers_at_most_16384_bytes");
      for (String topic : new String[] {"", "a b", "a/b", "a\nb", "..", "ä", "x".repeat(250)}) {
        refuses(
            connection,
            "topic",
            "'" + topic + "'",
            "outbox_event_topic_must_be_a_valid_topic_name");
      }
      refuses(
          connection,
          "topic",
          "'__consumer_offsets'",
          "outbox_event_topic_must_not_start_with_two_underscores");
      refuses(connection, "occurred_at", "NULL", "null value in column \"occurred_at\"");
      for (String time : new String[] {"infinity", "-infinity", "10000-01-01", "0002-01-01 BC"}) {
        refuses(
            connection,
            "occurred_at",
            "'" + time + "'",
            "outbox_event_occurred_at_must_be_in_years_0_to_9999");
      }
      assertThat(query(connection, "SELECT count(*) FROM outbox_event")).isEqualTo("0");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void refusesHeadersThatOnlyTheAgentMaySendWithTheNameOfTheRule(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      for (String name : new String[] {"", "a b", "a:b", "grün", "a\\n"}) {
        refuses(
            connection, "headers", header(name, "x"), "outbox_event_headers_must_be_fit_to_send");
      }
      for (String name :
          new String[] {
            "ce_x",
            "CE_ID",
            "ce-id",
            "outbox_x",
            "Outbox_X",
            "id",
            "ID",
            "eventType",
            "Content-Type"
          }) {
        refuses(
            connection, "headers", header(name, "x"), "outbox_event_headers_must_be_fit_to_send");
      }
      for (String value : new String[] {"a\\rb", "a\\nb", "\\n"}) {
        refuses(
            connection, "headers", header("a", value), "outbox_event_headers_must_be_fit_to_send");
      }
      assertThat(query(connection, "SELECT count(*) FROM outbox_event")).isEqualTo("0");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void refusesTypesThatAreNoTopicAndTextThatIsNoHeader(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      for (String type :
          new String[] {"Order Placed!", "Shop::Order", "grün", ".", "..", "__consumer_offsets"}) {
        refuses(
            connection,
            "aggregate_type",
            "'" + type + "'",
            "outbox_event_aggregate_type_must_be_a_valid_topic_name");
      }
      for (String text : new String[] {"a\\nb", "a\\rb", "a\\n"}) {
        refuses(
            connection,
            "aggregate_id",
            "E'" + text + "'",
            "outbox_event_aggregate_id_and_event_type_must_be_one_line");
        refuses(
            connection,
            "event_type",
            "E'" + text + "'",
            "outbox_event_aggregate_id_and_event_type_must_be_one_line");
      }
      for (String type :
          new String[] {
            "text",
            "/x",
            "text/plän",
            "text/plain\\n",
            "a/\\t",
            "application/cloudevents",
            " Application/CloudEvents+json"
          }) {
        refuses(
            connection,
            "content_type",
            "E'" + type + "'",
            "outbox_event_content_type_must_be_a_media_type");
      }
      assertThat(query(connection, "SELECT count(*) FROM outbox_event")).isEqualTo("0");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void acceptsWhatTheAgentSends(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        insert("headers", header("A.b_c-9", "a\\tb grün")),
        insert("headers", header("x".repeat(128), "")),
        insert("headers", header("ce", "x")),
        insert("headers", header("outboxx", "x")),
        insert("headers", header("ids", "x")),
        insert("headers", headers(64)),
        insert("content_type", "'text/plain; charset=utf-8'"),
        insert("content_type", "'x/'"),
        insert("content_type", "'application/cloudevent'"),
        insert("event_type", "E'a b\\tgrün'"),
        insert("occurred_at", "'9999-12-31 23:59:59.999999Z'"),
        insert("occurred_at", "'0001-01-01 00:00:00Z BC'"),
        // With a topic of its own, any type.
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, topic)"
            + " VALUES ('Shop::Order', '1', 'OrderPlaced', 'orders')");
    assertThat(query(database, "SELECT count(*) FROM outbox_event")).isEqualTo("13");
  }

  private static String header(String name, String value) {
    return "jsonb_build_object(E'" + name + "', E'" + value + "')";
  }

  private static String headers(int count) {
    return "(SELECT jsonb_object_agg('h' || n, 'x') FROM generate_series(1, " + count + ") n)";
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void theTriggerOfTheDocumentsPublishesWhateverTheIdsAre(PostgresVersion version)
      throws Exception {
    String trigger =
        Pattern.compile("```sql\\n(CREATE FUNCTION .*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("README.md")))
            .results()
            .map(found -> found.group(1))
            .findFirst()
            .orElseThrow();
    PostgresDatabase database = installed(version);
    for (String id :
        new String[] {
          "bigint DEFAULT 4711", "uuid DEFAULT gen_random_uuid()", "text DEFAULT 'x'"
        }) {
      database.execute(
          "CREATE TABLE orders (id " + id + " PRIMARY KEY, total numeric)",
          trigger,
          "INSERT INTO orders (total) VALUES (12.5)");
      assertThat(
              query(
                  database,
                  "SELECT e.aggregate_id = o.id::text AND e.payload ->> 'id' = o.id::text"
                      + " AND e.payload ->> 'total' = '12.5' FROM outbox_event e, orders o"))
          .isEqualTo("t");
      // Why the documents have casts.
      assertThat(
              failureOf(
                      database,
                      "SELECT outbox_publish('order', id, 'X', to_jsonb(o)) FROM orders o")
                  .message())
          .contains("outbox_publish")
          .contains("does not exist")
          .contains("You might need to add explicit type casts");
      database.execute("TRUNCATE outbox_event", "DROP TABLE orders", "DROP FUNCTION orders_event");
    }
  }

  /** Why there are casts and no overloads: docs/decisions/0017. */
  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void aSecondFunctionForJsonbWouldMakePlainCallsAmbiguous(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        "CREATE FUNCTION outbox_publish(text, text, text, jsonb, jsonb DEFAULT '{}') RETURNS uuid"
            + " LANGUAGE sql AS $$ SELECT outbox_publish($1, $2, $3, $4::json, $5) $$");
    assertThat(
            failureOf(database, "SELECT outbox_publish('order', '4711', 'OrderPlaced', '{}')")
                .message())
        .contains("is not unique");
    database.execute(
        "DROP FUNCTION outbox_publish(text, text, text, jsonb, jsonb)",
        "DROP FUNCTION outbox_publish(text, text, text, json, jsonb)",
        "CREATE FUNCTION outbox_publish(text, anyelement, text, anynonarray) RETURNS void"
            + " LANGUAGE sql AS $$ SELECT $$");
    assertThat(
            failureOf(database, "SELECT outbox_publish('order', '4711', 'OrderPlaced', '{}')")
                .message())
        .contains("could not determine polymorphic type");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void acceptsRowsAtTheLimitsAndTombstones(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        insert("aggregate_type", "repeat('x', 249)"),
        insert("aggregate_id", "repeat('ü', 512)"),
        insert("payload", "to_json(repeat('x', 999998))"),
        insert("payload", "NULL"),
        insert("headers", "'{}'"),
        insert("headers", "'{\"traceparent\": \"00-1-2-01\", \"quote\": \"it''s\"}'"),
        insert("topic", "repeat('x', 249)"),
        insert("topic", "'_orders.v1-x'"));
    assertThat(query(database, "SELECT count(*) FROM outbox_event")).isEqualTo("8");
    assertThat(query(database, "SELECT count(*) FROM outbox_event WHERE payload IS NULL"))
        .isEqualTo("1");
    assertThat(
            query(
                database,
                "SELECT count(*) FROM outbox_event WHERE headers = '{}' AND content_type = 'application/json'"))
        .isEqualTo("7");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void makesUniqueIdsInOrderOfTime(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        "CREATE TABLE made AS SELECT n, outbox_uuid7() AS id, clock_timestamp() AS at FROM generate_series(1, 20000) AS n");
    assertThat(query(database, "SELECT count(DISTINCT id) FROM made")).isEqualTo("20000");
    assertThat(
            query(
                database,
                "SELECT count(*) FROM made WHERE id::text !~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'"))
        .isEqualTo("0");
    assertThat(
            query(
                database,
                "SELECT count(*) FROM made WHERE abs(extract(epoch FROM outbox_uuid7_time(id) - at)) > 1"))
        .isEqualTo("0");
    // 18 characters are time and fraction; the rest is chance.
    assertThat(
            query(
                database,
                "SELECT count(*) FROM made AS a JOIN made AS b ON b.n = a.n + 1 WHERE left(b.id::text, 18) < left(a.id::text, 18)"))
        .isEqualTo("0");
    assertThat(query(database, "SELECT count(DISTINCT substr(id::text, 15, 4)) > 100 FROM made"))
        .isEqualTo("t");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void publishesInTheCallersTransaction(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      connection.setAutoCommit(false);
      String id =
          query(
              connection,
              "SELECT outbox_publish('order', '4711', 'OrderPlaced', '{\"total\": 12.5}', '{\"traceparent\": \"00-1-2-01\"}')");
      assertThat(
              query(
                  connection,
                  "SELECT concat_ws('|', aggregate_type, aggregate_id, event_type, payload, headers->>'traceparent') FROM outbox_event WHERE id = '"
                      + id
                      + "'"))
          .isEqualTo("order|4711|OrderPlaced|{\"total\": 12.5}|00-1-2-01");
      connection.rollback();
      assertThat(query(connection, "SELECT count(*) FROM outbox_event")).isEqualTo("0");
      query(
          connection,
          "SELECT outbox_publish(aggregate_type => 'order', aggregate_id => '1', event_type => 'OrderDeleted', payload => NULL, headers => NULL)");
      connection.commit();
      assertThat(
              query(
                  connection,
                  "SELECT count(*) FROM outbox_event WHERE payload IS NULL AND headers = '{}'"))
          .isEqualTo("1");
      assertThat(
              failureOf(connection, "SELECT outbox_publish('order', '', 'OrderPlaced', '{}')")
                  .message())
          .contains("outbox_event_aggregate_id_must_not_be_empty");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void storesHostileTextAsText(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    String hostile = "'; DROP TABLE outbox_event; -- $$ \\ \" %s %I";
    try (Connection connection = database.connect();
        PreparedStatement publish =
            connection.prepareStatement(
                "SELECT outbox_publish('order', ?, ?, to_json(?::text), jsonb_build_object('a', ?::text))")) {
      for (int parameter = 1; parameter <= 4; parameter++) {
        publish.setString(parameter, hostile);
      }
      publish.execute();
      try (PreparedStatement count =
          connection.prepareStatement(
              "SELECT count(*) FROM outbox_event WHERE aggregate_id = ? AND event_type = aggregate_id AND payload #>> '{}' = aggregate_id AND headers ->> 'a' = aggregate_id")) {
        count.setString(1, hostile);
        var rows = count.executeQuery();
        assertThat(rows.next()).isTrue();
        assertThat(rows.getInt(1)).isEqualTo(1);
      }
    }
  }

  private static void refuses(
      Connection connection, String column, String expression, String rule) {
    assertThat(failureOf(connection, insert(column, expression)).message())
        .as(column + " = " + expression)
        .contains(rule);
  }

  private static String insert(String column, String expression) {
    Map<String, String> row = new LinkedHashMap<>(GOOD_ROW);
    row.put(column, expression);
    return "INSERT INTO outbox_event ("
        + String.join(", ", row.keySet())
        + ") VALUES ("
        + String.join(", ", row.values())
        + ")";
  }
}
