package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.DeadLetter.State;
import io.outboxinbox.inbox.RetryOutcome.Status;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

class DeadLetterRetryIT {
  /** That many failed messages without key, whose text is their number. */
  static final String MANY =
      """
      INSERT INTO inbox_dead_letter (consumer, state, topic, message_partition, message_offset,
        message_id, is_admitted, payload, sent_at, reason, detail, attempts)
      SELECT 'inventory', 'failed', 'orders', 0, n, 'id ' || n, true, convert_to(n::text, 'UTF8'),
        now(), 'reason', '', 1
      FROM generate_series(1, %d) AS n
      """;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private static final MessageHandler REFUSE =
      (connection, message) -> {
        DeadLetterBench.note(connection, "half of " + message.text());
        throw new IOException("no " + message.text());
      };

  private DeadLetterBench bench;
  private DeadLetters letters;
  private Transactions transactions;

  @BeforeEach
  void setUp() throws Exception {
    bench = new DeadLetterBench(InboxDatabase.create(postgres));
    letters = bench.letters;
    transactions = bench.transactions;
  }

  @AfterEach
  void tearDown() throws Exception {
    bench.close();
  }

  @Test
  void handlesTheMessageAsItCame() throws Exception {
    MessageId id = MessageId.of("order 1");
    Envelope envelope =
        new Envelope(
            "orders",
            2,
            5,
            DeadLetterBench.bytes("k"),
            DeadLetterBench.bytes("text"),
            Instant.ofEpochMilli(System.currentTimeMillis()),
            List.of(new Envelope.Header("h", DeadLetterBench.bytes("v"))));
    long added = bench.fail(id, envelope, DeadLetterBench.FAILURE);
    List<Message> seen = new ArrayList<>();
    assertThat(letters.retry(transactions, added, (connection, message) -> seen.add(message)))
        .isEqualTo(RetryOutcome.of(added, Status.DONE));
    Message message = seen.get(0);
    assertThat(message.id().text()).isEqualTo("order 1");
    assertThat(message.envelope()).usingRecursiveComparison().isEqualTo(envelope);
    assertThat(message.arrival().sentAt()).isEqualTo(envelope.sentAt());
    assertThat(bench.count()).isZero();
    assertThat(letters.retry(transactions, added, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.GONE);
  }

  @Test
  void rollsBackWhatFailsAgainAndCountsTheAttempt() throws Exception {
    long id = bench.fail("k", "text");
    RetryOutcome outcome = letters.retry(transactions, id, REFUSE);
    assertThat(outcome.status()).isEqualTo(Status.FAILED);
    assertThat(outcome.failure()).isEqualTo(new Failure("java.io.IOException", "no text", 1));
    assertThat(bench.notes()).isEmpty();
    assertThat(bench.show(id).failure())
        .isEqualTo(new Failure("java.io.IOException", "no text", 4));
    assertThat(bench.show(id).changedAt()).isAfter(bench.show(id).createdAt());
  }

  /** FAILURES 61: a swallowed error must not be taken for a success. */
  @Test
  void takesAStatementThatTheHandlerLetFailForAFailure() throws Exception {
    long id = bench.fail("k", "text");
    MessageHandler swallowing =
        (connection, message) -> {
          try (var statement = connection.createStatement()) {
            statement.execute("SELECT 1 / 0");
          } catch (SQLException swallowed) {
            DeadLetterBench.bytes("on we go");
          }
        };
    assertThat(letters.retry(transactions, id, swallowing).status()).isEqualTo(Status.FAILED);
    assertThat(bench.show(id).failure().attempts()).isEqualTo(4);
  }

  /** Each further attempt adds what the one before has committed. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void saysThatEffectsMayBeThereWhereTheHandlerHasCommitted(boolean isAdmitted) throws Exception {
    Envelope envelope = bench.envelope("k", "text");
    MessageId messageId = InboxDatabase.newId();
    long id =
        isAdmitted
            ? bench.fail(messageId, envelope, DeadLetterBench.FAILURE)
            : transactions.run(
                c -> letters.addUnadmitted(c, envelope, messageId, DeadLetterBench.FAILURE));
    AtomicInteger runs = new AtomicInteger();
    MessageHandler committing =
        (connection, message) -> {
          runs.incrementAndGet();
          DeadLetterBench.NOTE.handle(connection, message);
          connection.unwrap(Connection.class).commit();
          throw new SQLException("a conflict behind it", "40001");
        };
    for (int attempt = 4; attempt <= 5; attempt++) {
      RetryOutcome outcome = letters.retry(transactions, id, committing);
      assertThat(outcome.status()).isEqualTo(Status.FAILED);
      assertThat(outcome.failure().reason()).endsWith("TransactionEndedException");
      assertThat(bench.show(id).failure().detail())
          .contains("may be committed", "mend the work before it runs again");
      assertThat(bench.show(id).failure().attempts()).isEqualTo(attempt);
    }
    assertThat(runs).hasValue(2);
    assertThat(bench.notes()).containsExactly("text", "text");
    assertThat(letters.retry(transactions, id, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.DONE);
    assertThat(
            transactions.<Boolean, SQLException>run(
                c -> bench.inbox.admit(c, messageId).isDuplicate()))
        .isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"SELECT not_migrated_yet()", "EXECUTE \"S_1000\""})
  void countsNoAttemptWhereTheDatabaseIsNotAsTheHandlerNeedsIt(String fault) throws Exception {
    long id = bench.fail("k", "text");
    MessageHandler handler =
        (connection, message) -> {
          try (var statement = connection.createStatement()) {
            statement.execute(fault);
          }
        };
    assertThatThrownBy(() -> letters.retry(transactions, id, handler))
        .isInstanceOf(SQLException.class);
    assertThat(bench.show(id).failure().attempts()).isEqualTo(3);
    assertThat(letters.retry(transactions, id, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.DONE);
  }

  @Test
  void takesACommitThatIsRefusedForAFailure() throws Exception {
    bench.database.execute(
        "ALTER TABLE note ADD UNIQUE (note) DEFERRABLE INITIALLY DEFERRED",
        "INSERT INTO note (note) VALUES ('text')");
    long id = bench.fail("k", "text");
    RetryOutcome outcome = letters.retry(transactions, id, DeadLetterBench.NOTE);
    assertThat(outcome.status()).isEqualTo(Status.FAILED);
    assertThat(outcome.failure().detail()).contains("note_note_key");
    assertThat(bench.count()).isOne();
  }

  @Test
  void runsAHandlerAgainThatMeetsAConflict() throws Exception {
    long id = bench.fail("k", "text");
    AtomicInteger calls = new AtomicInteger();
    MessageHandler conflicting =
        (connection, message) -> {
          DeadLetterBench.note(connection, message.text());
          if (calls.incrementAndGet() < 3) {
            throw new IOException(new SQLException("deadlock", "40P01"));
          }
        };
    assertThat(letters.retry(transactions, id, conflicting).status()).isEqualTo(Status.DONE);
    assertThat(bench.notes()).containsExactly("text");
  }

  /** A call that may have committed is no commit: the transaction's number tells. */
  @Test
  void runsAHandlerAgainThatMeetsAConflictBehindUnwrap() throws Exception {
    long id = bench.fail("k", "text");
    AtomicInteger calls = new AtomicInteger();
    MessageHandler conflicting =
        (connection, message) -> {
          connection.unwrap(Connection.class);
          DeadLetterBench.note(connection, message.text());
          if (calls.incrementAndGet() < 3) {
            raise(connection, "40P01");
          }
        };
    assertThat(letters.retry(transactions, id, conflicting).status()).isEqualTo(Status.DONE);
    assertThat(bench.notes()).containsExactly("text");
  }

  @Test
  void saysWhatHasFailedBehindUnwrapWhereNothingWasCommitted() throws Exception {
    long id = bench.fail("k", "text");
    MessageHandler failing =
        (connection, message) -> {
          connection.unwrap(Connection.class);
          DeadLetterBench.note(connection, message.text());
          raise(connection, "23505");
        };
    RetryOutcome outcome = letters.retry(transactions, id, failing);
    assertThat(outcome.status()).isEqualTo(Status.FAILED);
    assertThat(outcome.failure().reason()).doesNotContain("TransactionEnded");
    assertThat(outcome.failure().detail()).contains("on purpose");
  }

  private static void raise(Connection connection, String state) throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.execute(
          "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '" + state + "'; END $$");
    }
  }

  /** Their effects may be there, and each retry adds them again. */
  @Test
  void retriesWhatMayBeCommittedOnlyWhereItIsAskedFor() throws Exception {
    String ended = TransactionEndedException.class.getName();
    bench.fail(
        InboxDatabase.newId(), bench.envelope("k", "ended"), new Failure(ended, "committed", 1));
    bench.queue("k", "behind");
    bench.fail("other", "healthy");
    assertThat(letters.retryAll(transactions, DeadLetterFilter.all(), DeadLetterBench.NOTE))
        .isEqualTo(new RetrySummary(1, 0, 0, 1, 0, true));
    byte[] key = DeadLetterBench.bytes("k");
    assertThat(letters.retryKey(transactions, "orders", key, DeadLetterBench.NOTE))
        .isEqualTo(new RetrySummary(0, 0, 0, 1, 0, true));
    assertThat(bench.notes()).containsExactly("healthy");
    DeadLetterFilter wanted = DeadLetterFilter.all().withReason(ended);
    assertThat(letters.retryAll(transactions, wanted, DeadLetterBench.NOTE))
        .isEqualTo(new RetrySummary(2, 0, 0, 0, 0, true));
    assertThat(bench.notes()).containsExactly("healthy", "ended", "behind");
  }

  @Test
  void countsAnAttemptWhoseConnectionIsLost() throws Exception {
    long id = bench.fail("k", "text");
    MessageHandler fatal =
        (connection, message) -> {
          try (var statement = connection.createStatement()) {
            statement.execute("SELECT pg_terminate_backend(pg_backend_pid())");
          }
        };
    assertThat(letters.retry(transactions, id, fatal).status()).isEqualTo(Status.FAILED);
    assertThat(bench.show(id).failure().attempts()).isEqualTo(4);
  }

  @Test
  void refusesToOvertakeUnlessForced() throws Exception {
    long front = bench.fail("k", "1");
    long second = bench.queue("k", "2");
    long third = bench.fail("k", "3");
    assertThat(letters.retry(transactions, third, DeadLetterBench.NOTE))
        .isEqualTo(new RetryOutcome(third, Status.BLOCKED, front, null));
    assertThat(letters.retry(transactions, second, DeadLetterBench.NOTE).inFront())
        .isEqualTo(front);
    assertThat(letters.retryByForce(transactions, third, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.DONE);
    assertThat(letters.retry(transactions, front, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.DONE);
    assertThat(bench.notes()).containsExactly("3", "1");
  }

  @Test
  void letsMessagesWithoutKeyGoInAnyOrder() throws Exception {
    bench.fail(null, "1");
    long second = bench.fail(null, "2");
    assertThat(letters.retry(transactions, second, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.DONE);
  }

  @Test
  void refusesWhatTheInboxHasForgottenUnlessForced() throws Exception {
    long now = System.currentTimeMillis();
    long old =
        bench.fail(
            InboxDatabase.idOf(now - 86_400_000),
            bench.envelope("a", "old"),
            DeadLetterBench.FAILURE);
    long young =
        bench.fail(InboxDatabase.idOf(now), bench.envelope("b", "young"), DeadLetterBench.FAILURE);
    bench.database.execute("UPDATE inbox_floor SET floor = now() - interval '1 hour'");
    // Another process: this one has read the floor already.
    DeadLetters fresh = DeadLetters.of(Inbox.named(InboxDatabase.CONSUMER).build());
    assertThat(fresh.retry(transactions, old, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.TOO_OLD);
    assertThat(fresh.retry(transactions, young, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.DONE);
    assertThat(fresh.retryAll(transactions, DeadLetterFilter.all(), DeadLetterBench.NOTE))
        .isEqualTo(new RetrySummary(0, 0, 0, 0, 1, true));
    assertThat(fresh.retryByForce(transactions, old, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.DONE);
    assertThat(bench.notes()).containsExactly("young", "old");
  }

  /**
   * Also through a handler that unwraps, whose transaction is looked at: nothing told its number.
   */
  @Test
  void forcesAMessageThatWasNeverAdmittedForItsAge() throws Exception {
    MessageHandler unwrapping =
        (connection, message) -> {
          connection.unwrap(PGConnection.class);
          DeadLetterBench.NOTE.handle(connection, message);
        };
    MessageId id = InboxDatabase.idOf(System.currentTimeMillis() - 86_400_000);
    bench.database.execute("UPDATE inbox_floor SET floor = now() - interval '1 hour'");
    Envelope envelope = bench.envelope("a", "old");
    long added =
        transactions.run(c -> letters.addUnadmitted(c, envelope, id, DeadLetterBench.FAILURE));
    assertThat(letters.retry(transactions, added, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.TOO_OLD);
    assertThat(letters.retryByForce(transactions, added, unwrapping).status())
        .isEqualTo(Status.DONE);
    assertThat(bench.notes()).containsExactly("old");
  }

  /** A mark is never forgotten, so age says nothing there. */
  @Test
  void retriesOldMessagesOfAMark() throws Exception {
    MessageId id = InboxDatabase.idOf(System.currentTimeMillis() - 86_400_000);
    bench.database.execute("UPDATE inbox_floor SET floor = now() - interval '1 hour'");
    DeadLetters marked =
        DeadLetters.of(Inbox.named(InboxDatabase.CONSUMER).mode(InboxMode.WATERMARK).build());
    Envelope envelope = bench.envelope("a", "old");
    long added = transactions.run(c -> marked.add(c, envelope, id, DeadLetterBench.FAILURE));
    assertThat(marked.retry(transactions, added, DeadLetterBench.NOTE).status())
        .isEqualTo(Status.DONE);
  }

  @Test
  void handlesOnceWhatWasKeptTwiceForWantOfAnId() throws Exception {
    Envelope envelope = bench.envelope("a", "text");
    for (int i = 0; i < 2; i++) {
      transactions.run(c -> letters.add(c, envelope, null, DeadLetterBench.FAILURE));
    }
    MessageId id = InboxDatabase.newId();
    Envelope refused = bench.envelope("b", "refused");
    for (int i = 0; i < 2; i++) {
      transactions.run(c -> letters.addUnadmitted(c, refused, id, DeadLetterBench.FAILURE));
    }
    assertThat(letters.retryAll(transactions, DeadLetterFilter.all(), DeadLetterBench.NOTE))
        .isEqualTo(new RetrySummary(2, 2, 0, 0, 0, true));
    assertThat(bench.notes()).containsExactly("text", "refused");
    assertThat(bench.count()).isZero();
  }

  @Test
  void retriesAllInOrderPerKeyAndStopsAKeyAtItsFirstFailure() throws Exception {
    bench.fail("bad", "bad 1");
    bench.fail("good", "good 1");
    bench.queue("bad", "bad 2");
    bench.queue("good", "good 2");
    bench.fail(null, "bad 0");
    bench.fail(null, "good 0");
    bench.queue("good", "good 3");
    MessageHandler picky =
        (connection, message) ->
            (message.text().startsWith("bad") ? REFUSE : DeadLetterBench.NOTE)
                .handle(connection, message);
    // A page of two meets its end within a key.
    assertThat(letters.retryAll(transactions, DeadLetterFilter.all(), picky, 2))
        .isEqualTo(new RetrySummary(4, 0, 2, 1, 0, true));
    assertThat(bench.notes()).containsExactly("good 1", "good 2", "good 3", "good 0");
    assertThat(bench.count()).isEqualTo(3);

    byte[] bad = DeadLetterBench.bytes("bad");
    assertThat(letters.retryKey(transactions, "orders", bad, DeadLetterBench.NOTE))
        .isEqualTo(new RetrySummary(2, 0, 0, 0, 0, true));
    assertThat(bench.notes()).endsWith("bad 1", "bad 2").hasSize(6);
  }

  @Test
  void goesOnWithWhatWaitsButNotWithOtherFailuresThanAskedFor() throws Exception {
    bench.fail("k", "1");
    bench.queue("k", "2");
    bench.fail(InboxDatabase.newId(), bench.envelope("k", "3"), new Failure("other", "", 1));
    bench.queue("k", "4");
    DeadLetterFilter filter = DeadLetterFilter.all().withReason(DeadLetterBench.FAILURE.reason());
    assertThat(letters.retryAll(transactions, filter, DeadLetterBench.NOTE))
        .isEqualTo(new RetrySummary(2, 0, 0, 0, 0, true));
    assertThat(bench.notes()).containsExactly("1", "2");
    DeadLetterFilter waiting = DeadLetterFilter.all().inState(State.WAITING);
    assertThat(letters.retryAll(transactions, waiting, DeadLetterBench.NOTE))
        .isEqualTo(new RetrySummary(0, 0, 0, 1, 0, true));
  }

  @Test
  void makesAWaitingOneAFailureWhenItFails() throws Exception {
    long front = bench.fail("k", "1");
    long behind = bench.queue("k", "2");
    letters.discard(transactions, front, "not needed");
    assertThat(letters.retry(transactions, behind, REFUSE).status()).isEqualTo(Status.FAILED);
    assertThat(bench.show(behind).state()).isEqualTo(State.FAILED);
    assertThat(bench.show(behind).failure().attempts()).isOne();
  }

  /** What the handler sets aside itself must not make the run endless. */
  @Test
  void retriesOnlyWhatWasThereWhenItBegan() throws Exception {
    bench.fail(null, "1");
    bench.fail(null, "2");
    MessageHandler multiplying =
        (connection, message) ->
            letters.add(
                connection,
                bench.envelope(null, "more"),
                InboxDatabase.newId(),
                DeadLetterBench.FAILURE);
    assertThat(letters.retryAll(transactions, DeadLetterFilter.all(), multiplying, 1))
        .isEqualTo(new RetrySummary(2, 0, 0, 0, 0, true));
    assertThat(bench.count()).isEqualTo(2);
  }

  @Test
  void endsBetweenTwoWhenInterrupted() throws Exception {
    bench.fail("a", "1");
    bench.queue("a", "2");
    bench.fail("b", "3");
    MessageHandler interrupting =
        (connection, message) -> {
          DeadLetterBench.NOTE.handle(connection, message);
          Thread.currentThread().interrupt();
        };
    RetrySummary summary = letters.retryAll(transactions, DeadLetterFilter.all(), interrupting);
    assertThat(Thread.interrupted()).isTrue();
    assertThat(summary).isEqualTo(new RetrySummary(1, 0, 0, 0, 0, false));
    assertThat(bench.count()).isEqualTo(2);
  }

  @Test
  void keepsTheInterruptOfAHandlerThatWasWaiting() throws Exception {
    long id = bench.fail("a", "1");
    MessageHandler interrupted =
        (connection, message) -> {
          throw new InterruptedException("told to stop");
        };
    assertThat(letters.retry(transactions, id, interrupted).status()).isEqualTo(Status.FAILED);
    assertThat(Thread.interrupted()).isTrue();
  }

  /** {@code -Ddeadletters=20000} makes it long: it takes a minute on two busy cores. */
  @Test
  void streamsALargeNumberByPages() throws Exception {
    int many = Integer.getInteger("deadletters", 2000);
    int page = many / 20;
    bench.database.execute(MANY.formatted(many));
    AtomicInteger next = new AtomicInteger(1);
    MessageHandler counting =
        (connection, message) -> {
          assertThat(message.text()).isEqualTo(String.valueOf(next.getAndIncrement()));
        };
    int before = bench.connections.borrowed();
    assertThat(letters.retryAll(transactions, DeadLetterFilter.all(), counting, page))
        .isEqualTo(new RetrySummary(many, 0, 0, 0, 0, true));
    // One transaction for each, one for each page and the empty last one, one for the end.
    assertThat(bench.connections.borrowed() - before).isEqualTo(many + 21 + 1);
    assertThat(bench.count()).isZero();
  }

  @Test
  void saysThatTheDatabaseIsAwayAndThatTheHandlerHadFailed() throws Exception {
    long id = bench.fail("k", "text");
    bench.connections.cutOffAfter(1);
    assertThatThrownBy(() -> letters.retry(transactions, id, REFUSE))
        .isInstanceOf(SQLException.class)
        .hasMessage("no route to host")
        .satisfies(e -> assertThat(e.getSuppressed()[0]).hasMessage("no text"));
    try (Connection connection = bench.database.connect()) {
      assertThat(letters.count(connection, DeadLetterFilter.all())).isOne();
    }
  }
}
