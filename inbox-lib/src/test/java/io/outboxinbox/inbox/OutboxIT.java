package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Envelope.Header;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class OutboxIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private final Outbox outbox = Outbox.create();
  private PostgresDatabase database;

  @BeforeEach
  void setUp() throws Exception {
    database = postgres.newDatabase("01_outbox", "02_partitions");
  }

  @Test
  void writesEveryFieldAndTheTablesOwnTime() throws Exception {
    UUID id =
        publish(
            order("4711")
                .payload("{\"total\": 12.5}")
                .contentType("application/vnd.order+json")
                .topic("orders.v2")
                .traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                .header("tenant", "acme")
                .build());
    assertThat(id.version()).isEqualTo(7);
    assertThat(
            row(
                """
                SELECT concat_ws('|', id, aggregate_type, aggregate_id, event_type, payload,
                                 content_type, topic, headers, occurred_at > now() - interval '1 min')
                FROM outbox_event"""))
        .isEqualTo(
            id
                + "|order|4711|OrderPlaced|{\"total\": 12.5}|application/vnd.order+json|orders.v2"
                + "|{\"tenant\": \"acme\", \"traceparent\":"
                + " \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}|t");
  }

  @Test
  void leavesWhatIsNotSetToTheTable() throws Exception {
    publish(order("1").build());
    assertThat(
            row(
                """
                SELECT concat_ws('|', payload IS NULL, topic IS NULL, content_type, headers)
                FROM outbox_event"""))
        .isEqualTo("t|t|application/json|{}");
  }

  @Test
  void publishesNothingThatRollsBack() throws Exception {
    try (Connection connection = connect()) {
      outbox.publish(connection, order("1").build());
      connection.rollback();
    }
    assertThat(row("SELECT count(*) FROM outbox_event")).isEqualTo("0");
  }

  @Test
  void writesABatchInItsOrderAndReturnsTheIdsInThatOrder() throws Exception {
    List<OutboxMessage> messages =
        IntStream.range(0, 1000).mapToObj(i -> order("" + i).build()).toList();
    List<UUID> ids;
    numberTheRows();
    try (Connection connection = connect()) {
      ids = outbox.publishAll(connection, messages);
      assertThat(outbox.publishAll(connection, List.of())).isEmpty();
      connection.commit();
    }
    assertThat(ids).doesNotHaveDuplicates().hasSize(1000);
    List<String> written = database.list("SELECT id::text FROM outbox_event ORDER BY n");
    assertThat(written).containsExactlyElementsOf(ids.stream().map(UUID::toString).toList());
    assertThat(database.list("SELECT aggregate_id FROM outbox_event ORDER BY n"))
        .containsExactlyElementsOf(messages.stream().map(OutboxMessage::aggregateId).toList());
  }

  /** Against PostgreSQL's own reading of JSON; the seed is in the message of a failure. */
  @Test
  void writesHeadersThatComeOutAsTheyWentIn() throws Exception {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    List<String> values = new ArrayList<>(List.of("", "\"", "\\", "\\u0041", "\t\b\f\u0001\u007f"));
    values.addAll(List.of("{\"a\": [1]}", "'; DROP TABLE outbox_event; --", "\u2028\uFFFF\u00E4"));
    for (int i = 0; i < 300; i++) {
      values.add(
          random
              .ints(20, 1, i % 2 == 0 ? 0x80 : 0x1_1000)
              .filter(c -> c != '\r' && c != '\n' && (c < 0xD800 || c > 0xDFFF))
              .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
              .toString());
    }
    numberTheRows();
    try (Connection connection = connect()) {
      outbox.publishAll(
          connection, values.stream().map(v -> order("1").header("h", v).build()).toList());
      connection.commit();
    }
    assertThat(database.list("SELECT headers->>'h' FROM outbox_event ORDER BY n"))
        .as("seed %d", seed)
        .containsExactlyElementsOf(values);
  }

  @Test
  void namesTheRuleThatAnEventBreaksButNotItsPayload() throws Exception {
    String tooLong = "x".repeat(250);
    try (Connection connection = connect()) {
      assertThatThrownBy(
              () ->
                  outbox.publish(
                      connection, order("7").payload("\"secret\"").topic(tooLong).build()))
          .isInstanceOf(InboxException.BadMessage.class)
          .hasMessageContaining("event OrderPlaced of order 7 cannot be published")
          .hasMessageContaining("outbox_event_topic_must_be_a_valid_topic_name")
          .satisfies(
              e -> assertThat(((SQLException) e.getCause()).getSQLState()).isEqualTo("23514"))
          .satisfies(OutboxIT::doesNotQuoteThePayload);
      connection.rollback();
      assertThatThrownBy(
              () ->
                  outbox.publishAll(
                      connection,
                      List.of(order("7").build(), order("8").payload("{secret").build())))
          .isInstanceOf(InboxException.BadMessage.class)
          .hasMessageContaining("one of 2 events, the first of which is event OrderPlaced of order")
          .hasMessageContaining("invalid input syntax for type json")
          .satisfies(OutboxIT::doesNotQuoteThePayload);
      connection.rollback();
    }
  }

  private static void doesNotQuoteThePayload(Throwable failure) {
    for (Throwable t = failure; t != null; t = t.getCause()) {
      assertThat(t.toString()).doesNotContain("secret");
    }
  }

  @Test
  void needsTheWritersRightsOnly() throws Exception {
    String writer = "writer_" + UUID.randomUUID().toString().replace("-", "");
    database.execute("CREATE ROLE " + writer + " LOGIN PASSWORD 'pw'");
    try (Connection connection = database.connectAs(writer, "pw")) {
      connection.setAutoCommit(false);
      assertThatThrownBy(() -> outbox.publish(connection, order("1").build()))
          .isInstanceOf(InboxException.Misconfigured.class)
          .hasMessageContaining("GRANT outbox_writer");
      connection.rollback();
      database.execute("GRANT INSERT ON outbox_event TO " + writer);
      outbox.publish(connection, order("1").build());
      connection.commit();
    }
    assertThat(row("SELECT count(*) FROM outbox_event")).isEqualTo("1");
    database.execute("DROP OWNED BY " + writer, "DROP ROLE " + writer);
  }

  @Test
  void saysWhereAMissingTableComesFrom() throws Exception {
    try (Connection connection = connect()) {
      assertThatThrownBy(() -> Outbox.inSchema("elsewhere").publish(connection, order("1").build()))
          .isInstanceOf(InboxException.Misconfigured.class)
          .hasMessageContaining("01_outbox.sql")
          .hasMessageContaining("Outbox.inSchema");
      connection.rollback();
      Outbox.inSchema("public").publish(connection, order("1").build());
      connection.commit();
    }
    assertThat(row("SELECT count(*) FROM outbox_event")).isEqualTo("1");
  }

  @Test
  void refusesConnectionsThatCannotHoldThePromise() throws Exception {
    try (Connection connection = database.connect()) {
      assertThatThrownBy(() -> outbox.publish(connection, order("1").build()))
          .isInstanceOf(InboxException.Misused.class)
          .hasMessageContaining("auto-commit");
      connection.setAutoCommit(false);
      connection.createStatement().execute("SET TRANSACTION READ ONLY");
      assertThatThrownBy(() -> outbox.publish(connection, order("1").build()))
          .isInstanceOf(InboxException.Misused.class)
          .hasMessageContaining("read-only");
    }
  }

  @Test
  void storesTheCauseOfAnEvent() throws Exception {
    Message cause =
        message("4b2f\u00E9", List.of(header("traceparent", "00-1"), header("tracestate", "a=1")));
    publish(order("1").causedBy(cause).build());
    assertThat(row("SELECT headers FROM outbox_event"))
        .isEqualTo(
            "{\"tracestate\": \"a=1\", \"traceparent\": \"00-1\", \"causation-id\": \"4b2f\u00E9\"}");
  }

  static Message message(String id, List<Header> headers) {
    Envelope envelope = new Envelope("t", 0, 0, null, null, Instant.now(), headers);
    return new Message(Arrival.of(MessageId.of(id)), envelope);
  }

  static Header header(String name, String value) {
    return new Header(name, value.getBytes(StandardCharsets.UTF_8));
  }

  private static OutboxMessage.Builder order(String id) {
    return OutboxMessage.builder().aggregateType("order").aggregateId(id).eventType("OrderPlaced");
  }

  /** The order in which rows are written is the order in which they are published. */
  private void numberTheRows() throws SQLException {
    database.execute("ALTER TABLE outbox_event ADD COLUMN n bigserial");
  }

  private UUID publish(OutboxMessage message) throws SQLException {
    try (Connection connection = connect()) {
      UUID id = outbox.publish(connection, message);
      connection.commit();
      return id;
    }
  }

  private Connection connect() throws SQLException {
    Connection connection = database.connect();
    connection.setAutoCommit(false);
    return connection;
  }

  private String row(String sql) throws SQLException {
    return database.list(sql).get(0);
  }
}
