package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Outcome.Status;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every database promises of ids. */
abstract class InboxContract {
  final Inbox inbox = Inbox.named(InboxDatabase.CONSUMER).build();
  private final ExecutorService others = Executors.newCachedThreadPool();
  InboxDatabase database;

  abstract InboxDatabase create() throws Exception;

  /**
   * What a database does to the second session where the first has committed after its snapshot.
   */
  abstract boolean isConflict(int isolation);

  abstract String schemaFile();

  @BeforeEach
  void setUp() throws Exception {
    database = create();
  }

  @AfterEach
  void tearDown() {
    others.shutdownNow();
  }

  @Test
  void admitsAMessageOnceAndAgainAfterARollback() throws Exception {
    MessageId id = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      assertThat(inbox.admit(connection, id).isNew()).isTrue();
      connection.rollback();
      assertThat(inbox.admit(connection, id).isNew()).isTrue();
      connection.commit();
      assertThat(inbox.admit(connection, id).isDuplicate()).isTrue();
    }
  }

  @Test
  void remembersNothingThatWasNotCommittedNotEvenInItsCache() throws Exception {
    MessageId id = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      inbox.admit(connection, id);
      // A repeat in the same transaction is a duplicate of something that is still open.
      assertThat(inbox.admit(connection, id).isDuplicate()).isTrue();
      connection.rollback();
      assertThat(inbox.admit(connection, id).isNew()).isTrue();
    }
  }

  @Test
  void answersRepeatsOfCommittedMessagesWithoutTheDatabase() throws Exception {
    MessageId id = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      Outcome outcome = inbox.admit(connection, id);
      connection.commit();
      inbox.committed(List.of(outcome));
      database.execute("TRUNCATE inbox_message");
      assertThat(inbox.admit(connection, id).isDuplicate()).isTrue();
      Inbox withoutCache = Inbox.named(InboxDatabase.CONSUMER).cachedIdsMax(0).build();
      assertThat(withoutCache.admit(connection, id).isNew()).isTrue();
    }
  }

  /** DESIGN 9: the second waits for the first; above READ COMMITTED it has to run again. */
  @ParameterizedTest
  @ValueSource(
      ints = {
        Connection.TRANSACTION_READ_COMMITTED,
        Connection.TRANSACTION_REPEATABLE_READ,
        Connection.TRANSACTION_SERIALIZABLE
      })
  void letsOneOfTwoSessionsWithTheSameMessageWork(int isolation) throws Exception {
    MessageId id = InboxDatabase.newId();
    for (boolean firstCommits : List.of(false, true)) {
      try (Connection first = database.connect(isolation);
          Connection second = database.connect(isolation)) {
        // Both snapshots are older than either commit.
        database.execute("SELECT 1");
        second.createStatement().executeQuery("SELECT count(*) FROM inbox_offset").next();
        assertThat(inbox.admit(first, id).isNew()).isTrue();
        InboxDatabase.addEffect(first, id);
        Future<Outcome> answer = others.submit(() -> inbox.admit(second, id));
        awaitWaiting();
        if (firstCommits) {
          first.commit();
          assertThatSecondYields(isolation, answer, second, id);
        } else {
          first.rollback();
          assertThat(answer.get(120, TimeUnit.SECONDS).isNew()).isTrue();
          second.rollback();
        }
      }
    }
    assertThat(database.effects()).isEqualTo(1);
  }

  private void assertThatSecondYields(
      int isolation, Future<Outcome> answer, Connection second, MessageId id) throws Exception {
    if (!isConflict(isolation)) {
      assertThat(answer.get(120, TimeUnit.SECONDS).isDuplicate()).isTrue();
      return;
    }
    assertThatThrownBy(() -> answer.get(120, TimeUnit.SECONDS))
        .cause()
        .isInstanceOf(SQLException.class)
        .satisfies(failure -> assertThat(((SQLException) failure).getSQLState()).isEqualTo("40001"))
        .satisfies(failure -> assertThat(RetryAdvice.of(failure)).isEqualTo(RetryAdvice.AGAIN));
    second.rollback();
    assertThat(inbox.admit(second, id).isDuplicate()).isTrue();
  }

  private void awaitWaiting() {
    Awaitility.await("the second session waits").until(() -> database.sessionsWaiting() > 0);
  }

  @Test
  void doesNotDeadlockBatchesInOppositeOrders() throws Exception {
    for (int round = 0; round < 20; round++) {
      List<Arrival> forward = new ArrayList<>();
      for (int i = 0; i < 500; i++) {
        forward.add(
            Arrival.of(i % 3 == 0 ? MessageId.of("r" + round + "-" + i) : InboxDatabase.newId()));
      }
      List<Arrival> backward = new ArrayList<>(forward);
      Collections.reverse(backward);
      List<Future<Long>> news = new ArrayList<>();
      for (List<Arrival> batch : List.of(forward, backward)) {
        news.add(
            others.submit(
                () -> {
                  try (Connection connection = database.connect()) {
                    long fresh =
                        inbox.admitAll(connection, batch).stream().filter(Outcome::isNew).count();
                    connection.commit();
                    return fresh;
                  }
                }));
      }
      assertThat(news.get(0).get() + news.get(1).get()).isEqualTo(forward.size());
    }
  }

  @Test
  void answersABatchInItsOrderWithRepeatsInside() throws Exception {
    MessageId known = InboxDatabase.newId();
    MessageId fresh = InboxDatabase.newId();
    MessageId foreign = MessageId.of("order-4711");
    try (Connection connection = database.connect()) {
      inbox.admit(connection, known);
      connection.commit();
      List<Outcome> outcomes =
          inbox.admitAll(
              connection,
              List.of(fresh, known, foreign, fresh, foreign).stream().map(Arrival::of).toList());
      assertThat(outcomes.stream().map(Outcome::status))
          .containsExactly(
              Status.NEW, Status.DUPLICATE, Status.NEW, Status.DUPLICATE, Status.DUPLICATE);
      assertThat(inbox.admitAll(connection, List.of())).isEmpty();
    }
  }

  @Test
  void keepsConsumersApart() throws Exception {
    MessageId id = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      assertThat(inbox.admit(connection, id).isNew()).isTrue();
      assertThat(Inbox.named("billing").build().admit(connection, id).isNew()).isTrue();
    }
  }

  @Test
  void refusesConnectionsThatCannotHoldThePromise() throws Exception {
    MessageId id = InboxDatabase.newId();
    Connection connection = database.connect();
    connection.setAutoCommit(true);
    assertThatThrownBy(() -> inbox.admit(connection, id))
        .isInstanceOf(InboxException.Misused.class)
        .hasMessageContaining("auto-commit")
        .hasMessageContaining("setAutoCommit(false)");
    connection.setAutoCommit(false);
    connection.setReadOnly(true);
    assertThatThrownBy(() -> inbox.admit(connection, id))
        .isInstanceOf(InboxException.Misused.class)
        .hasMessageContaining("read-only");
    connection.close();
    assertThatThrownBy(() -> inbox.admit(connection, id))
        .isInstanceOf(InboxException.Misused.class)
        .hasMessageContaining("closed");
  }

  @Test
  void saysWhichFileIsMissingWhereThereAreNoTables() throws Exception {
    Inbox elsewhere = Inbox.named(InboxDatabase.CONSUMER).schema("nowhere").build();
    try (Connection connection = database.connect()) {
      assertThatThrownBy(() -> elsewhere.admit(connection, InboxDatabase.newId()))
          .isInstanceOf(InboxException.Misconfigured.class)
          .hasMessageContaining("nowhere.inbox_")
          .hasMessageContaining(schemaFile());
    }
  }

  @Test
  void givesRepeatsOfACallTheFirstResultWhileOthersWait() throws Exception {
    CompletableFuture<Void> go = new CompletableFuture<>();
    CompletableFuture<Void> started = new CompletableFuture<>();
    Future<byte[]> first =
        others.submit(
            () -> {
              try (Connection connection = database.connect()) {
                byte[] result =
                    inbox.once(
                        connection,
                        "payment-1",
                        utf8("10 EUR"),
                        c -> {
                          started.complete(null);
                          go.join();
                          InboxDatabase.addEffect(c, MessageId.of("payment-1"));
                          return utf8("receipt");
                        });
                connection.commit();
                return result;
              }
            });
    started.get(120, TimeUnit.SECONDS);
    Future<byte[]> second = others.submit(() -> repeat("10 EUR"));
    awaitWaiting();
    go.complete(null);
    assertThat(first.get(120, TimeUnit.SECONDS)).isEqualTo(utf8("receipt"));
    assertThat(second.get(120, TimeUnit.SECONDS)).isEqualTo(utf8("receipt"));
    assertThatThrownBy(() -> repeat("11 EUR"))
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("payment-1")
        .hasMessageContaining("another request");
    assertThat(database.effects()).isEqualTo(1);
  }

  private byte[] repeat(String request) throws Exception {
    try (Connection connection = database.connect()) {
      byte[] result =
          inbox.<RuntimeException>once(
              connection,
              "payment-1",
              utf8(request),
              c -> {
                throw new AssertionError("done twice");
              });
      connection.commit();
      return result;
    }
  }

  @Test
  void letsTheNextCallerBeTheFirstWhereTheWorkFailed() throws Exception {
    try (Connection connection = database.connect()) {
      assertThatThrownBy(
              () ->
                  inbox.once(
                      connection,
                      "job",
                      c -> {
                        throw new IllegalArgumentException("no");
                      }))
          .isInstanceOf(IllegalArgumentException.class);
      connection.rollback();
      assertThat(inbox.once(connection, "job", c -> null)).isNull();
      assertThat(inbox.once(connection, "job", c -> utf8("never"))).isNull();
    }
  }

  /** The key is committed without its answer, and nobody knows what else is. */
  @Test
  void saysOfWorkThatHasCommittedThatItMayBeDoneInPart() throws Exception {
    for (byte[] request : new byte[][] {utf8("10 EUR"), null}) {
      String key = request == null ? "job" : "payment-2";
      try (Connection connection = database.connect()) {
        assertThatThrownBy(
                () ->
                    inbox.once(
                        connection,
                        key,
                        request,
                        c -> {
                          c.unwrap(Connection.class).commit();
                          InboxDatabase.addEffect(connection, MessageId.of(key));
                          return null;
                        }))
            .isInstanceOfSatisfying(
                SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25P01"))
            .hasMessageContaining("may be committed");
        connection.rollback();
        assertThatThrownBy(() -> inbox.once(connection, key, request, c -> utf8("never")))
            .isInstanceOf(InboxException.class)
            .hasMessageContaining("may be there in part");
        connection.rollback();
      }
    }
    assertThat(database.effects()).isZero();
  }

  @Test
  void keepsTheHigherOffsetUnlessItIsToBeReplaced() throws Exception {
    InboxOffsets offsets = InboxOffsets.of(inbox);
    UUID topicId = UUID.randomUUID();
    try (Connection connection = database.connect()) {
      assertThat(offsets.find(connection, "orders", 3)).isEmpty();
      offsets.advance(connection, "orders", 3, new InboxOffsets.Offset(10, null));
      offsets.advance(connection, "orders", 3, new InboxOffsets.Offset(12, topicId));
      offsets.advance(connection, "orders", 3, new InboxOffsets.Offset(11, topicId));
      assertThat(offsets.find(connection, "orders", 3))
          .contains(new InboxOffsets.Offset(12, topicId));
      offsets.replace(connection, "orders", 3, new InboxOffsets.Offset(5, topicId));
      offsets.replace(connection, "orders", 4, new InboxOffsets.Offset(1, null));
      assertThat(offsets.find(connection, "orders", 3))
          .contains(new InboxOffsets.Offset(5, topicId));
      assertThat(offsets.find(connection, "orders", 4)).contains(new InboxOffsets.Offset(1, null));
    }
  }

  @Test
  void storesAResultWithAMessage() throws Exception {
    MessageId id = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      assertThatThrownBy(() -> inbox.storeResult(connection, id, utf8("x")))
          .isInstanceOf(InboxException.Misused.class);
      inbox.admit(connection, id);
      assertThat(inbox.result(connection, id)).isEmpty();
      inbox.storeResult(connection, id, utf8("done"));
      connection.commit();
      assertThat(inbox.result(connection, id)).contains(utf8("done"));
      assertThat(inbox.result(connection, MessageId.of(UUID.randomUUID()))).isEmpty();
    }
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static MessageId ofSource(String source) {
    return MessageId.of("4711", source);
  }

  /** What the version before has kept of an id, whosever it was. */
  private void keptBefore(String id) throws SQLException {
    try (Connection connection = database.connect()) {
      inbox.admit(connection, MessageId.of(id));
      connection.commit();
    }
    database.execute("UPDATE inbox_message SET request_hash = NULL");
  }

  @Test
  void keepsEqualIdsOfTwoSourcesApartAloneAndInABatch() throws Exception {
    try (Connection connection = database.connect()) {
      assertThat(inbox.admit(connection, ofSource("/a")).isNew()).isTrue();
      assertThat(inbox.admit(connection, ofSource("/b")).isNew()).isTrue();
      // Whoever asks without a source means another one still.
      assertThat(inbox.admit(connection, MessageId.of("4711")).isNew()).isTrue();
      assertThat(inbox.admit(connection, ofSource("/c")).isNew()).isTrue();
      assertThat(inbox.admit(connection, ofSource("/a")).isDuplicate()).isTrue();
      List<Arrival> batch =
          List.of(
              Arrival.of(ofSource("/d")),
              Arrival.of(ofSource("/a")),
              Arrival.of(ofSource("/e")),
              Arrival.of(ofSource("/d")));
      assertThat(inbox.admitAll(connection, batch).stream().map(Outcome::status))
          .containsExactly(Status.NEW, Status.DUPLICATE, Status.NEW, Status.DUPLICATE);
      connection.commit();
    }
  }

  @Test
  void knowsAfterTheUpgradeWhatTheVersionBeforeHasHandled() throws Exception {
    keptBefore("4711");
    try (Connection connection = database.connect()) {
      Instant sent = Instant.now();
      Arrival repeat = new Arrival(ofSource("/a"), sent, null);
      Arrival other = Arrival.of(MessageId.of("4712", "/a"));
      assertThat(inbox.admit(connection, repeat).isDuplicate()).isTrue();
      connection.rollback();
      assertThat(inbox.admitAll(connection, List.of(repeat, other)).stream().map(Outcome::status))
          .containsExactly(Status.DUPLICATE, Status.NEW);
      connection.rollback();
      // What is sent long after that row came is another message.
      Arrival later = new Arrival(ofSource("/b"), sent.plus(Duration.ofHours(2)), null);
      assertThat(inbox.admit(connection, later).isNew()).isTrue();
      connection.rollback();
      assertThat(inbox.admitAll(connection, List.of(later, other)).stream().map(Outcome::status))
          .containsExactly(Status.NEW, Status.NEW);
    }
  }

  /** Which of the two the row before was of nobody knows any more. */
  @Test
  void knowsAfterTheUpgradeEachMessageOfABatchThatHadOneKeyBefore() throws Exception {
    keptBefore("4711");
    try (Connection connection = database.connect()) {
      Instant sent = Instant.now();
      List<Arrival> batch =
          List.of(
              new Arrival(ofSource("/a"), sent, null),
              new Arrival(ofSource("/b"), sent, null),
              new Arrival(ofSource("/c"), sent.plus(Duration.ofHours(2)), null),
              Arrival.of(MessageId.of("4712", "/a")),
              Arrival.of(ofSource("/d")));
      assertThat(inbox.admitAll(connection, batch).stream().map(Outcome::status))
          .containsExactly(
              Status.DUPLICATE, Status.DUPLICATE, Status.NEW, Status.NEW, Status.DUPLICATE);
    }
  }

  @Test
  void knowsAfterTheUpgradeMoreThanOneStatementTakes() throws Exception {
    int many = 2_500;
    List<Arrival> before = new ArrayList<>();
    List<Arrival> repeats = new ArrayList<>();
    for (int i = 0; i < many; i++) {
      before.add(Arrival.of(MessageId.of("n" + i)));
      repeats.add(Arrival.of(MessageId.of("n" + i, "/a")));
      repeats.add(Arrival.of(MessageId.of("n" + i, "/b")));
    }
    try (Connection connection = database.connect()) {
      inbox.admitAll(connection, before);
      connection.commit();
      database.execute("UPDATE inbox_message SET request_hash = NULL");
      assertThat(inbox.admitAll(connection, repeats)).hasSize(2 * many).noneMatch(Outcome::isNew);
      connection.commit();
    }
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isEqualTo(many);
  }

  @Test
  void keepsKeysOfRequestsAndIdsOfMessagesApart() throws Exception {
    for (String key : List.of(InboxDatabase.newId().text(), "4711")) {
      try (Connection connection = database.connect()) {
        assertThat(inbox.once(connection, key, c -> utf8("first"))).isEqualTo(utf8("first"));
        assertThat(inbox.admit(connection, MessageId.of(key)).isNew()).isTrue();
        assertThat(inbox.once(connection, key, c -> utf8("never"))).isEqualTo(utf8("first"));
        connection.rollback();
        assertThat(inbox.admit(connection, MessageId.of(key)).isNew()).isTrue();
        inbox.storeResult(connection, MessageId.of(key), utf8("of the message"));
        assertThat(inbox.once(connection, key, c -> utf8("first"))).isEqualTo(utf8("first"));
        assertThat(inbox.result(connection, MessageId.of(key))).contains(utf8("of the message"));
      }
    }
  }

  @Test
  void givesTheAnswerThatTheVersionBeforeHasKept() throws Exception {
    keptBefore("job");
    try (Connection connection = database.connect()) {
      assertThat(inbox.once(connection, "job", c -> utf8("never"))).isNull();
      connection.rollback();
      database.execute("UPDATE inbox_message SET result = 'ok'");
      assertThat(inbox.once(connection, "job", c -> utf8("never"))).isEqualTo(utf8("ok"));
    }
  }
}
