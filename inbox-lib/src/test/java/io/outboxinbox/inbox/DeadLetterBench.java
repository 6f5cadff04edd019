package io.outboxinbox.inbox;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** An inbox with dead letters, and the few things tests do with them. */
final class DeadLetterBench implements AutoCloseable {
  static final String TOPIC = "orders";
  static final Failure FAILURE = new Failure("java.lang.IllegalStateException", "no stock", 3);

  /** Notes the message's text as its effect. */
  static final MessageHandler NOTE = (connection, message) -> note(connection, message.text());

  final InboxDatabase database;
  final Inbox inbox = Inbox.named(InboxDatabase.CONSUMER).build();
  final DeadLetters letters = DeadLetters.of(inbox);
  final ReusedConnections connections;
  final Transactions transactions;

  private final AtomicLong offsets = new AtomicLong();

  DeadLetterBench(InboxDatabase database) throws Exception {
    this.database = database;
    this.connections = new ReusedConnections(database);
    this.transactions = new Transactions(connections);
    database.execute("CREATE TABLE note (at bigint GENERATED ALWAYS AS IDENTITY, note text)");
  }

  /** A message of now at the next offset. */
  Envelope envelope(@Nullable String key, String text) {
    Instant now = Instant.now().truncatedTo(ChronoUnit.MILLIS);
    return new Envelope(
        TOPIC, 0, offsets.getAndIncrement(), bytes(key), bytes(text), now, List.of());
  }

  /** Admits a message and sets it aside, as a consumer does. */
  long fail(@Nullable String key, String text) throws Exception {
    return fail(InboxDatabase.newId(), envelope(key, text), FAILURE);
  }

  long fail(MessageId id, Envelope envelope, Failure failure) throws Exception {
    return transactions.run(
        connection -> {
          inbox.admit(connection, id);
          return letters.add(connection, envelope, id, failure);
        });
  }

  /** Admits a message and lets it wait. */
  long queue(String key, String text) throws Exception {
    return transactions.run(
        connection -> {
          MessageId id = InboxDatabase.newId();
          inbox.admit(connection, id);
          return letters.addBehind(connection, envelope(key, text), id);
        });
  }

  long count() throws Exception {
    return transactions.run(connection -> letters.count(connection, DeadLetterFilter.all()));
  }

  DeadLetter show(long id) throws Exception {
    return transactions.run(connection -> letters.show(connection, id).orElseThrow());
  }

  /** All effects, in the order in which they were written. */
  List<String> notes() throws Exception {
    try (Connection connection = database.database().connect();
        var select = connection.prepareStatement("SELECT note FROM note ORDER BY at");
        var row = select.executeQuery()) {
      List<String> notes = new ArrayList<>();
      while (row.next()) {
        notes.add(row.getString(1));
      }
      return notes;
    }
  }

  static void note(Connection connection, String text) throws SQLException {
    try (var insert = connection.prepareStatement("INSERT INTO note (note) VALUES (?)")) {
      insert.setString(1, text);
      insert.executeUpdate();
    }
  }

  static byte @Nullable [] bytes(@Nullable String text) {
    return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public void close() throws SQLException {
    connections.close();
  }
}
