package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.testkit.MariaDbExtension;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** InnoDB rolls the whole transaction back in a deadlock, as ROLLBACK does here. */
class TransactionsOnMariaDbIT {
  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();

  private final MessageId id = InboxDatabase.newId();
  private final Inbox inbox = Inbox.named(InboxDatabase.CONSUMER).build();
  private InboxDatabase database;
  private Transactions transactions;

  @BeforeEach
  void setUp() throws Exception {
    database = InboxDatabase.create(mariadb, MySqlDriver.MARIADB);
    database.execute("CREATE TABLE staging (n int)");
    transactions = new Transactions(database.dataSource());
  }

  @ParameterizedTest
  @ValueSource(strings = {"ROLLBACK", "COMMIT", "START TRANSACTION", "TRUNCATE TABLE staging"})
  void failsWhereTheWorkHasEndedTheTransaction(String sql) throws Exception {
    assertEnded(
        () ->
            transactions.run(
                connection -> {
                  inbox.admit(connection, id);
                  execute(connection, sql);
                  InboxDatabase.addEffect(connection, id);
                  return true;
                }));
    assertThat(database.effects()).isZero();
  }

  @Test
  void committingAndAdmittingFailsWhereTheWorkHasEndedTheTransaction() throws Exception {
    assertEnded(
        () ->
            transactions.run(
                connection -> {
                  Outcome current = inbox.admit(connection, id);
                  execute(connection, "ROLLBACK");
                  InboxDatabase.addEffect(connection, id);
                  return inbox.commitAndAdmit(
                      connection, current, Arrival.of(InboxDatabase.newId()));
                }));
    assertThat(database.effects()).isZero();
  }

  @Test
  void commitsOneAfterTheOther() throws Exception {
    transactions.<Boolean, SQLException>run(
        connection -> {
          Outcome current = inbox.admit(connection, id);
          InboxDatabase.addEffect(connection, id);
          MessageId next = InboxDatabase.newId();
          assertThat(inbox.commitAndAdmit(connection, current, Arrival.of(next))).isEmpty();
          assertThat(inbox.admit(connection, next).isNew()).isTrue();
          InboxDatabase.addEffect(connection, next);
          return true;
        });
    assertThat(database.effects()).isEqualTo(2);
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isEqualTo(2);
  }

  /** Nobody could tell whether the work has ended it. */
  @Test
  void committingAndAdmittingSaysWhoHasToBeginTheTransaction() throws Exception {
    transactions.run(connection -> inbox.admit(connection, InboxDatabase.newId()));
    try (Connection connection = database.connect()) {
      Outcome current = inbox.admit(connection, id);
      InboxDatabase.addEffect(connection, id);
      Arrival next = Arrival.of(InboxDatabase.newId());
      assertThatThrownBy(() -> inbox.commitAndAdmit(connection, current, next))
          .isInstanceOf(InboxException.Misused.class)
          .hasMessageContaining("new Transactions(dataSource).run(")
          .hasMessageContaining("commit()");
      // Nothing is lost by it.
      connection.commit();
    }
    assertThat(database.effects()).isEqualTo(1);
  }

  /** Also in a transaction that somebody else commits. */
  @Test
  void workDoneOnceFailsWhereItHasEndedTheTransaction() throws Exception {
    try (Connection connection = database.connect()) {
      assertEnded(
          () ->
              inbox.once(
                  connection,
                  "one",
                  c -> {
                    c.unwrap(Connection.class).rollback();
                    InboxDatabase.addEffect(c, id);
                    return null;
                  }));
      connection.rollback();
      byte[] result =
          inbox.once(
              connection,
              "one",
              c -> inbox.once(c, "two", inner -> "two".getBytes(StandardCharsets.UTF_8)));
      assertThat(result).asString(StandardCharsets.UTF_8).isEqualTo("two");
      connection.commit();
    }
    assertThat(database.effects()).isZero();
  }

  @Test
  void aRetryThatHasEndedItsTransactionHasFailed() throws Exception {
    database.execute("CREATE PROCEDURE settle() BEGIN ROLLBACK; END");
    DeadLetters letters = DeadLetters.of(inbox);
    byte[] payload = "v".getBytes(StandardCharsets.UTF_8);
    Envelope envelope = new Envelope("t", 0, 7, null, payload, Instant.now(), List.of());
    long letter =
        transactions.<Long, SQLException>run(
            connection -> {
              inbox.admit(connection, id);
              return letters.add(connection, envelope, id, new Failure("x", "y", 1));
            });
    RetryOutcome outcome =
        letters.retry(
            transactions,
            letter,
            (connection, message) -> {
              execute(connection, "CALL settle()");
              InboxDatabase.addEffect(connection, id);
            });
    assertThat(outcome.status()).isEqualTo(RetryOutcome.Status.FAILED);
    assertThat(database.effects()).isZero();
    assertThat(database.number("SELECT attempts FROM inbox_dead_letter")).isEqualTo(2);
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** The number of the savepoint's error is also that of a missing routine, which one waits for. */
  private static void assertEnded(ThrowingCallable work) {
    assertThatThrownBy(work)
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25P01"))
        .satisfies(e -> assertThat(RetryAdvice.of(e)).isEqualTo(RetryAdvice.NEVER));
  }
}
