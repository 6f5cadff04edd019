package io.outboxinbox.inbox.works;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.DeadLetterFilter;
import io.outboxinbox.inbox.DeadLetters;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.Failure;
import io.outboxinbox.inbox.Finding;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.InboxMode;
import io.outboxinbox.inbox.InboxRetention;
import io.outboxinbox.inbox.Message;
import io.outboxinbox.inbox.MessageHandler;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Origin;
import io.outboxinbox.inbox.Outbox;
import io.outboxinbox.inbox.OutboxMessage;
import io.outboxinbox.inbox.Outcome;
import io.outboxinbox.inbox.RetrySummary;
import io.outboxinbox.inbox.Transactions;
import io.outboxinbox.inbox.kafka.InboxConsumer;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** The code and the SQL that the README.md of this module shows, and what it says of them. */
class ReadmeIT {
  private static final Path README = Path.of("README.md");
  private static final Path SOURCE =
      Path.of("src/test/java/io/outboxinbox/inbox/works/ReadmeIT.java");
  private static final Pattern JAVA =
      Pattern.compile("<!-- from: ReadmeIT -->\\R```java\\R(.*?)```", Pattern.DOTALL);
  private static final Pattern DEAD_LETTER_SQL =
      Pattern.compile("<!-- dead-letter-sql -->\\R```sql\\R(.*?)```", Pattern.DOTALL);
  private static final Pattern SQL =
      Pattern.compile("<!-- inbox-sql -->\\R```sql\\R(.*?)```", Pattern.DOTALL);

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private PostgresDatabase database;
  private Consumer consumer;

  static final class Consumer {
    private final Inbox inbox = Inbox.named("inventory").build();
    private final Transactions transactions;
    private final Outbox outbox = Outbox.create();

    Consumer(DataSource dataSource) {
      this.transactions = new Transactions(dataSource);
    }

    void onMessage(String id, String order) throws SQLException {
      Outcome outcome =
          transactions.runThroughConflicts(5, connection -> handle(connection, id, order));
      inbox.committed(List.of(outcome));
    }

    Outcome handle(Connection connection, String id, String order) throws SQLException {
      Outcome outcome = inbox.admit(connection, MessageId.of(id));
      switch (outcome.status()) {
        case NEW -> reserve(connection, order);
        case DUPLICATE -> {} // its effects are there already
        case TOO_OLD -> setAside(connection, id, order); // nobody knows whether they are
      }
      return outcome;
    }

    /** Compiled, not run: ConsumerRig runs the like of it with a broker's real address. */
    void consume(DataSource dataSource) {
      InboxConsumer consumer =
          InboxConsumer.builder()
              .inbox(Inbox.named("inventory").build())
              .dataSource(dataSource)
              .kafka(Map.of("bootstrap.servers", "localhost:9092", "group.id", "inventory"))
              .topics("order")
              .handler((connection, message) -> reserve(connection, message.text()))
              .build();
      consumer.start(); // consumer.close() at the end
    }

    byte[] onRequest(String idempotencyKey, byte[] body) throws SQLException {
      return transactions.runThroughConflicts(
          5, connection -> inbox.once(connection, idempotencyKey, body, c -> placeOrder(c, body)));
    }

    RetrySummary retryDeadLetters() throws SQLException {
      return DeadLetters.of(inbox).retryAll(transactions, DeadLetterFilter.all(), handler);
    }

    boolean discardDeadLetter(long id, String why) throws SQLException {
      return DeadLetters.of(inbox).discard(transactions, id, why);
    }

    private final MessageHandler handler =
        (connection, message) -> {
          reserve(connection, message.text());
          outbox.publish(
              connection,
              OutboxMessage.builder()
                  .aggregateType("reservation")
                  .aggregateId(message.text())
                  .eventType("Reserved")
                  .payload("{\"state\": \"reserved\"}")
                  .causedBy(message)
                  .build());
        };
  }

  static void reserve(Connection connection, String order) throws SQLException {
    insert(connection, "reservation", order);
  }

  static void setAside(Connection connection, String id, String order) throws SQLException {
    insert(connection, "set_aside", id + " " + order);
  }

  static byte[] placeOrder(Connection connection, byte[] body) throws SQLException {
    reserve(connection, new String(body, StandardCharsets.UTF_8));
    return UUID.randomUUID().toString().getBytes(StandardCharsets.UTF_8);
  }

  private static void insert(Connection connection, String table, String text) throws SQLException {
    try (PreparedStatement insert =
        connection.prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
      insert.setString(1, text);
      insert.executeUpdate();
    }
  }

  @BeforeEach
  void setUp() throws Exception {
    database = postgres.newDatabase("01_outbox", "10_inbox");
    database.execute("CREATE TABLE reservation (id text)", "CREATE TABLE set_aside (id text)");
    PGSimpleDataSource dataSource = new PGSimpleDataSource();
    dataSource.setUrl(database.jdbcUrl());
    dataSource.setUser(database.user());
    dataSource.setPassword(database.password());
    consumer = new Consumer(dataSource);
  }

  @Test
  void readmeShowsThisCode() throws IOException {
    String source = withoutSpaces(Files.readString(SOURCE));
    List<String> blocks = blocks(JAVA);
    assertThat(blocks).hasSize(5);
    for (String block : blocks) {
      List<String> imports = block.lines().filter(line -> line.startsWith("import ")).toList();
      String code =
          block.lines().filter(line -> !imports.contains(line)).collect(Collectors.joining());
      assertThat(source).contains(withoutSpaces(code));
      assertThat(imports).allSatisfy(line -> assertThat(source).contains(withoutSpaces(line)));
    }
  }

  /** Lines are broken differently there. */
  private static String withoutSpaces(String code) {
    return code.replaceAll("\\s", "");
  }

  @Test
  void handlesAMessageOnceAndSetsAsideWhatIsTooOld() throws Exception {
    consumer.onMessage("m-1", "4711");
    consumer.onMessage("m-1", "4711");
    assertThat(database.number("SELECT count(*) FROM reservation")).isEqualTo(1);
    database.execute("UPDATE inbox_floor SET floor = now() - interval '1 day'");
    consumer.onMessage("016f5e66-e800-7000-8000-000000000001", "4712");
    assertThat(database.number("SELECT count(*) FROM reservation")).isEqualTo(1);
    assertThat(database.number("SELECT count(*) FROM set_aside")).isEqualTo(1);
  }

  @Test
  void answersARepeatedRequestAsTheFirstAndRefusesAnotherUnderItsKey() throws Exception {
    byte[] body = "4711".getBytes(StandardCharsets.UTF_8);
    byte[] first = consumer.onRequest("key-1", body);
    assertThat(consumer.onRequest("key-1", body)).isEqualTo(first);
    assertThat(database.number("SELECT count(*) FROM reservation")).isEqualTo(1);
    assertThatThrownBy(() -> consumer.onRequest("key-1", new byte[] {1}))
        .isInstanceOf(InboxException.BadMessage.class);
  }

  @Test
  void publishesInTheTransactionOfTheEffect() throws Exception {
    Envelope envelope =
        new Envelope(
            "orders",
            0,
            0,
            null,
            "4711".getBytes(StandardCharsets.UTF_8),
            Instant.now(),
            List.of());
    Message message = new Message(Arrival.of(MessageId.of("m-1")), envelope);
    try (Connection connection = database.connect()) {
      connection.setAutoCommit(false);
      consumer.handler.handle(connection, message);
      connection.rollback();
      consumer.handler.handle(connection, message);
      connection.commit();
    }
    assertThat(database.number("SELECT count(*) FROM reservation")).isEqualTo(1);
    assertThat(database.number("SELECT count(*) FROM outbox_event")).isEqualTo(1);
  }

  @Test
  void listsRetriesAndDiscardsDeadLetters() throws Exception {
    long first = deadLetter("m-1", "4711");
    deadLetter("m-2", "4712");
    List<String> blocks = blocks(DEAD_LETTER_SQL);
    assertThat(blocks).hasSize(2);
    assertThat(
            database.number(
                "SELECT count(*) FROM (" + blocks.get(0).replace(";", "") + ") AS listed"))
        .isEqualTo(2);
    database.execute(blocks.get(1).replace("17", Long.toString(first)));
    assertThat(consumer.retryDeadLetters()).isEqualTo(new RetrySummary(1, 0, 0, 0, 0, true));
    assertThat(database.number("SELECT count(*) FROM reservation WHERE id = '4712'")).isEqualTo(1);
    long last = deadLetter("m-3", "4713");
    assertThat(consumer.discardDeadLetter(last, "tested")).isTrue();
    assertThat(database.number("SELECT count(*) FROM inbox_dead_letter")).isZero();
    assertThat(database.number("SELECT count(*) FROM reservation")).isEqualTo(1);
  }

  private long deadLetter(String id, String order) throws SQLException {
    Envelope envelope =
        new Envelope(
            "orders", 0, 0, null, order.getBytes(StandardCharsets.UTF_8), Instant.now(), List.of());
    return consumer.transactions.run(
        connection -> {
          consumer.inbox.admit(connection, MessageId.of(id));
          return DeadLetters.of(consumer.inbox)
              .add(connection, envelope, MessageId.of(id), new Failure("tested", "", 1));
        });
  }

  /** A role with nothing but the grants of README.md consumes in each way, and cleans. */
  @Test
  void grantsAreEnough() throws Exception {
    String role = "inventory_" + UUID.randomUUID().toString().replace("-", "");
    database.execute("CREATE ROLE " + role + " LOGIN PASSWORD 'pw'");
    List<String> blocks = blocks(SQL);
    assertThat(blocks).hasSize(2);
    try {
      database.execute(blocks.get(0).replace("TO inventory", "TO " + role));
      try (Connection connection = database.connectAs(role, "pw")) {
        connection.setAutoCommit(false);
        Inbox ids = Inbox.named("inventory").build();
        Inbox marks = Inbox.named("inventory").mode(InboxMode.WATERMARK).build();
        MessageId old = MessageId.of("016f5e66-e800-7000-8000-000000000001");
        assertThat(ids.admit(connection, old).isNew()).isTrue();
        ids.storeResult(connection, old, new byte[1]);
        Origin origin = new Origin("/orders", "orders", 0, 1, 1);
        Arrival numbered = new Arrival(MessageId.of("m-1"), null, origin);
        assertThat(marks.admit(connection, numbered).isNew()).isTrue();
        assertThat(marks.acceptEpoch(connection, "/orders", 2)).isEqualTo(1);
        connection.commit();
        connection.createStatement().execute(blocks.get(1));
        connection.commit();
        MessageId forgotten = MessageId.of("016f5e66-e800-7000-8000-000000000002");
        Outcome outcome = Inbox.named("inventory").build().admit(connection, forgotten);
        assertThat(outcome.isTooOld()).isTrue();
        // Of days that nobody has made, and only who may read them is told.
        database.execute(
            "INSERT INTO inbox_message (consumer, message_key) SELECT 'inventory',"
                + " inbox_first_key(now() + interval '90 days' + n * interval '1 millisecond')"
                + " FROM generate_series(1, 1000) AS n");
        assertThat(InboxRetention.of(ids, Duration.ofDays(14)).check(connection))
            .extracting(Finding::kind)
            .contains(Finding.Kind.DEFAULT_PARTITION_GROWS);
      }
    } finally {
      database.execute("DROP OWNED BY " + role, "DROP ROLE " + role);
    }
  }

  private static List<String> blocks(Pattern pattern) throws IOException {
    List<String> blocks = new ArrayList<>();
    pattern.matcher(Files.readString(README)).results().forEach(m -> blocks.add(m.group(1)));
    return blocks;
  }
}
