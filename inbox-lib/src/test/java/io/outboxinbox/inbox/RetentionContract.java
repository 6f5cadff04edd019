package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Cleaning.End;
import io.outboxinbox.inbox.Outcome.Status;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every database promises of forgetting, and of what comes again afterwards. */
abstract class RetentionContract {
  private static final Duration KEEP = Duration.ofDays(3);

  final Inbox inbox = Inbox.named(InboxDatabase.CONSUMER).cachedIdsMax(0).build();
  InboxDatabase database;
  Transactions transactions;

  abstract InboxDatabase create() throws Exception;

  /** Gets, in this connection, what one cleaner at a time has. */
  abstract void becomeTheCleaner(Connection connection) throws SQLException;

  @BeforeEach
  void setUp() throws Exception {
    database = create();
    transactions = new Transactions(database.dataSource());
  }

  static InboxRetention retention(Inbox inbox) {
    return InboxRetention.of(inbox, KEEP, 10);
  }

  Cleaning clean() throws SQLException {
    return retention(inbox).clean(transactions);
  }

  Status admit(Arrival arrival) throws SQLException {
    return transactions.run(connection -> inbox.admit(connection, arrival).status());
  }

  /** Runs again where this inbox has read the floor before it moved. */
  Status admitInTheEnd(Arrival arrival) throws SQLException {
    return transactions
        .runThroughConflicts(2, connection -> inbox.admit(connection, arrival))
        .status();
  }

  Status admitInTheEnd(MessageId id) throws SQLException {
    return admitInTheEnd(Arrival.of(id));
  }

  Status admit(MessageId id) throws SQLException {
    return admit(Arrival.of(id));
  }

  static MessageId madeDaysAgo(int days) {
    return InboxDatabase.idOf(Instant.now().minus(days, ChronoUnit.DAYS).toEpochMilli());
  }

  /** A floor counts for ids without a date once it has stood for ten minutes. */
  void letTheFloorStand() throws SQLException {
    database.execute("UPDATE inbox_floor SET moved_at = " + database.timestamp("11 MINUTE"));
  }

  @Test
  void refusesWhatIsBelowTheFloorAndStillKnowsTheRowsThatAreThere() throws Exception {
    MessageId known = madeDaysAgo(5);
    assertThat(admit(known)).isEqualTo(Status.NEW);
    Instant before = Instant.now().minus(KEEP).truncatedTo(ChronoUnit.DAYS);
    Cleaning cleaning = clean();
    assertThat(cleaning.end()).isEqualTo(End.DONE);
    // Two days where it is midnight meanwhile.
    assertThat(cleaning.floor())
        .isBetween(before, Instant.now().minus(KEEP).truncatedTo(ChronoUnit.DAYS));
    assertThat(admitInTheEnd(known)).isEqualTo(Status.DUPLICATE);
    assertThat(admitInTheEnd(madeDaysAgo(5))).isEqualTo(Status.TOO_OLD);
    assertThat(admitInTheEnd(madeDaysAgo(2))).isEqualTo(Status.NEW);
    Instant longAgo = Instant.now().minus(5, ChronoUnit.DAYS);
    assertThat(admitInTheEnd(new Arrival(MessageId.of("a"), longAgo, null)))
        .isEqualTo(Status.TOO_OLD);
    assertThat(admitInTheEnd(MessageId.of("a"))).isEqualTo(Status.NEW);
    assertThat(admitInTheEnd(new Arrival(MessageId.of("a"), longAgo, null)))
        .isEqualTo(Status.DUPLICATE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"PT59M", "P18263D", "P3650000D", "PT2562047788015215H30M7S"})
  void refusesToKeepForATimeThatNoDatabaseCanReckonWith(Duration keep) throws Exception {
    assertThatThrownBy(() -> InboxRetention.of(inbox, keep))
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("at least")
        .hasMessageContaining("at most");
    assertThat(InboxRetention.of(inbox, Duration.ofDays(18_262)).clean(transactions).end())
        .isEqualTo(End.DONE);
  }

  @Test
  void runsAgainWhereTheFloorHasMovedSinceItWasRead() throws Exception {
    MessageId forgotten = madeDaysAgo(5);
    assertThat(admit(forgotten)).isEqualTo(Status.NEW);
    // This inbox has read the floor and keeps it for a minute; another process cleans.
    retention(Inbox.named("other").build()).clean(transactions);
    database.execute("DELETE FROM inbox_message");
    assertThatThrownBy(() -> admit(forgotten))
        .isInstanceOf(InboxException.Retryable.class)
        .hasMessageContaining("floor has moved")
        .satisfies(e -> assertThat(RetryAdvice.of(e)).isEqualTo(RetryAdvice.AGAIN));
    assertThat(admit(forgotten)).isEqualTo(Status.TOO_OLD);
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isZero();
  }

  @Test
  void runsABatchAgainWhereTheFloorHasMovedSinceItWasRead() throws Exception {
    List<Arrival> batch = List.of(Arrival.of(madeDaysAgo(5)), Arrival.of(InboxDatabase.newId()));
    admit(madeDaysAgo(5));
    retention(Inbox.named("other").build()).clean(transactions);
    List<Outcome> outcomes =
        transactions.runThroughConflicts(2, connection -> inbox.admitAll(connection, batch));
    assertThat(outcomes.stream().map(Outcome::status)).containsExactly(Status.TOO_OLD, Status.NEW);
    assertThatThrownBy(
            () -> {
              Inbox stale = Inbox.named("stale").build();
              transactions.run(connection -> stale.admitAll(connection, batch.subList(1, 2)));
              InboxRetention.of(inbox, Duration.ofDays(1)).clean(transactions);
              List<Arrival> between =
                  List.of(Arrival.of(madeDaysAgo(2)), Arrival.of(InboxDatabase.newId()));
              transactions.run(connection -> stale.admitAll(connection, between));
            })
        .isInstanceOf(InboxException.Retryable.class);
  }

  @Test
  void deletesInSmallTransactionsUntilNothingIsLeft() throws Exception {
    for (int i = 0; i < 35; i++) {
      admit(MessageId.of("foreign-" + i));
    }
    admit(madeDaysAgo(6));
    database.execute("UPDATE inbox_message SET received_at = " + database.timestamp("6 DAY"));
    admit(MessageId.of("young"));
    assertThat(clean().rowsDeleted()).as("below a floor that has just moved").isZero();
    letTheFloorStand();
    Cleaning cleaning = clean();
    assertThat(cleaning.rowsDeleted()).isEqualTo(36);
    assertThat(cleaning.end()).isEqualTo(End.DONE);
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isEqualTo(1);
  }

  @Test
  void keepsTheFloorWhereItIsWhenMoreIsToBeKept() throws Exception {
    Instant floor = InboxRetention.of(inbox, Duration.ofDays(1)).clean(transactions).floor();
    assertThat(clean().floor()).isEqualTo(floor);
  }

  @Test
  void comesBackEmptyHandedWhileAnotherSessionCleans() throws Exception {
    try (Connection other = database.connect()) {
      becomeTheCleaner(other);
      assertThat(clean()).isEqualTo(new Cleaning(null, 0, 0, End.ELSEWHERE));
      other.rollback();
    }
    Awaitility.await("the other session is gone")
        .untilAsserted(() -> assertThat(clean().end()).isEqualTo(End.DONE));
  }

  @Test
  void leavesTheFloorWhileATransactionCountsOnIt() throws Exception {
    try (Connection consumer = database.connect()) {
      assertThat(inbox.admit(consumer, madeDaysAgo(5)).isNew()).isTrue();
      Cleaning cleaning = clean();
      assertThat(cleaning.end()).isEqualTo(End.HELD_UP);
      assertThat(cleaning.floor()).isEqualTo(Instant.EPOCH);
      consumer.commit();
    }
    assertThat(clean().end()).isEqualTo(End.DONE);
  }

  @Test
  void cleansByItselfUntilItIsClosed() throws Exception {
    InboxRetention retention = retention(inbox);
    try (retention) {
      retention.start(transactions, Duration.ofSeconds(1));
      Awaitility.await("the floor has moved")
          .until(
              () ->
                  transactions.run(c -> inbox.dialect().table(c).floor(c)).isAfter(Instant.EPOCH));
      assertThatThrownBy(() -> retention.start(transactions, Duration.ofHours(1)))
          .isInstanceOf(InboxException.Misused.class)
          .hasMessageContaining("runs already");
    }
    retention.close();
    assertThatThrownBy(() -> retention.start(transactions, Duration.ofHours(1)))
        .isInstanceOf(InboxException.Misused.class)
        .hasMessageContaining("closed");
  }

  @Test
  void findsNothingWhereAllIsWell() throws Exception {
    clean();
    assertThat(transactions.run(retention(inbox)::check)).isEmpty();
    assertThat(retention(inbox).checkAgainst("topic orders", KEEP)).isEmpty();
  }

  @Test
  void tellsThatNobodyCleans() throws Exception {
    database.execute("UPDATE inbox_floor SET moved_at = " + database.timestamp("49 HOUR"));
    assertThat(findings())
        .singleElement()
        .satisfies(f -> assertThat(f.kind()).isEqualTo(Finding.Kind.NOBODY_CLEANS))
        .satisfies(f -> assertThat(f.problem()).contains("at the beginning", "PT72H"));
    clean();
    assertThat(findings()).isEmpty();
  }

  @Test
  void tellsOfDeadLettersThatCanNoLongerBeRetried() throws Exception {
    database.execute(
        "INSERT INTO inbox_dead_letter (consumer, state, topic, message_partition, message_offset,"
            + " is_admitted, sent_at, reason, detail, attempts) VALUES ('inventory', 'failed',"
            + " 'orders', 0, 1, true, "
            + database.timestamp("5 DAY")
            + ", 'r', 'd', 1)");
    assertThat(findings()).isEmpty();
    clean();
    assertThat(findings())
        .singleElement()
        .satisfies(f -> assertThat(f.kind()).isEqualTo(Finding.Kind.DEAD_LETTERS_BELOW_FLOOR))
        .satisfies(f -> assertThat(f.problem()).contains("1 dead letters of inventory"));
  }

  List<Finding> findings() throws SQLException {
    return transactions.run(retention(inbox)::check);
  }

  @Test
  void tellsThatATopicKeepsMessagesLonger() {
    Optional<Finding> longer = retention(inbox).checkAgainst("topic orders", KEEP.plusMillis(1));
    assertThat(longer)
        .hasValueSatisfying(
            f -> assertThat(f.toString()).contains("KEPT_TOO_SHORT", "topic orders", "PT72H"));
    assertThat(retention(inbox).checkAgainst("topic orders", null))
        .hasValueSatisfying(f -> assertThat(f.problem()).contains("for ever"));
  }

  @Test
  void refusesNonsense() {
    assertThatThrownBy(() -> InboxRetention.of(inbox, Duration.ofMinutes(59)))
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("PT59M");
    assertThatThrownBy(() -> retention(inbox).start(transactions, Duration.ZERO))
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("PT0S");
  }

  @Test
  void tellsOfAFloorAheadAndItsWayOutRunsAsPrinted() throws Exception {
    admit(MessageId.of("before"));
    database.execute(
        "UPDATE inbox_floor SET floor = "
            + database.timestamp("-400 DAY")
            + (database.isPostgres() ? "" : ", floor_key = x'0fffffffffff70008000000000000000'"));
    clean();
    assertThat(findings())
        .filteredOn(f -> f.kind() == Finding.Kind.FLOOR_AHEAD)
        .singleElement()
        .satisfies(f -> database.execute(f.fix().substring(f.fix().indexOf(": ") + 2)));
    Awaitility.await("the floor lies in the past")
        .untilAsserted(() -> assertThat(findings()).isEmpty());
    Inbox restarted = Inbox.named("restarted").build();
    MessageId id = InboxDatabase.idOf(System.currentTimeMillis() + 1000);
    assertThat(transactions.run(c -> restarted.admit(c, id)).isNew()).isTrue();
    assertThat(transactions.run(c -> restarted.admit(c, id)).isDuplicate()).isTrue();
    MessageId lost = InboxDatabase.idOf(System.currentTimeMillis() - 60_000);
    assertThat(transactions.run(c -> restarted.admit(c, lost)).isTooOld()).isTrue();
  }
}
