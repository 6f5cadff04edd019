package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.outboxinbox.inbox.Outcome.Status;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every database promises of marks. */
abstract class WatermarkContract {
  private static final String SOURCE = "shop";
  private static final String SHARD = "7611/shop/outbox_publication";

  /** Some seconds. */
  private static final int HISTORIES = 20;

  private final Inbox inbox = inbox(InboxMode.WATERMARK);
  private InboxDatabase database;

  static Inbox inbox(InboxMode mode) {
    return Inbox.named(InboxDatabase.CONSUMER).mode(mode).build();
  }

  abstract InboxDatabase create() throws Exception;

  @BeforeEach
  void setUp() throws Exception {
    database = create();
  }

  static Arrival arrival(int partition, long epoch, long sequence) {
    return new Arrival(
        InboxDatabase.newId(), null, new Origin(SOURCE, "orders", partition, epoch, sequence));
  }

  private List<Status> admit(Connection connection, Arrival... arrivals) throws SQLException {
    return inbox.admitAll(connection, Arrays.asList(arrivals)).stream()
        .map(Outcome::status)
        .toList();
  }

  @Test
  void keepsAMarkForTheLongestSourceInTheLongestTopic() throws Exception {
    // Three bytes each, and of many kinds, so that nothing of it can be compressed.
    String source =
        new Random(3)
            .ints(Origin.SOURCE_CHARACTERS_MAX, 0x4e00, 0x9fa5)
            .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
            .toString();
    String topic = "t".repeat(Origin.TOPIC_CHARACTERS_MAX);
    Arrival first = new Arrival(InboxDatabase.newId(), null, new Origin(source, topic, 0, 1, 1));
    try (Connection connection = database.connect()) {
      assertThat(admit(connection, first)).containsExactly(Status.NEW);
      assertThat(admit(connection, first)).containsExactly(Status.DUPLICATE);
    }
  }

  /**
   * Whoever has lost sight of a transaction must not take somebody else's work for its own. Where
   * there is only a mark, nobody can tell on MySQL and MariaDB.
   */
  @ParameterizedTest
  @CsvSource({"IDS, 1", "IDS, 3", "WATERMARK, 1", "WATERMARK, 3"})
  void tellsWhetherATransactionWasCommittedWhoeverElseHasHandledItsMessages(
      InboxMode mode, int number) throws Exception {
    Inbox used = inbox(mode);
    boolean isUnknown = mode == InboxMode.WATERMARK && !database.isPostgres();
    try (Connection connection = database.connect();
        Connection asking = database.connect()) {
      for (long from = 5; from < 11; from += 3) {
        List<Arrival> arrivals =
            LongStream.range(from, from + number).mapToObj(i -> arrival(0, 1, i)).toList();
        List<Outcome> rolledBack = used.admitAll(connection, arrivals);
        connection.rollback();
        assertThat(used.isCommitted(asking, rolledBack)).isFalse();
        asking.rollback();
        List<Outcome> committed = used.admitAll(connection, arrivals);
        connection.commit();
        assertThat(used.isCommitted(asking, committed)).isTrue();
        assertThat(used.isCommitted(asking, rolledBack)).isEqualTo(isUnknown);
        asking.rollback();
      }
    }
  }

  /** A server that crashes before it has written down which numbers it gave gives them again. */
  @ParameterizedTest
  @EnumSource(names = {"IDS", "WATERMARK"})
  void takesNoTransactionForItsOwnThatHasNotRememberedTheMessage(InboxMode mode) throws Exception {
    Inbox used = inbox(mode);
    try (Connection connection = database.connect();
        Connection asking = database.connect()) {
      List<Outcome> other = used.admitAll(connection, List.of(arrival(1, 1, 5)));
      connection.commit();
      Outcome lost = new Outcome(arrival(0, 1, 5), Status.NEW, other.get(0).transaction());
      assertThat(used.isCommitted(asking, List.of(lost))).isFalse();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"earlier", "tomorrow"})
  void knowsTheTransactionOfANewMessageBesideARepeatOfAnotherSource(String other) throws Exception {
    Arrival repeat = new Arrival(InboxDatabase.newId(), null, new Origin(other, "orders", 0, 1, 5));
    Arrival fresh = arrival(0, 1, 7);
    try (Connection connection = database.connect()) {
      inbox.admitAll(connection, List.of(repeat));
      connection.commit();
      List<Outcome> outcomes =
          inbox(InboxMode.WATERMARK).admitAll(connection, List.of(repeat, fresh));
      assertThat(outcomes)
          .extracting(Outcome::status)
          .containsExactly(Status.DUPLICATE, Status.NEW);
      if (database.isPostgres()) {
        assertThat(outcomes.get(1).transaction()).isPositive();
      }
    }
  }

  @Test
  void takesEverythingUpToTheMarkForARepeat() throws Exception {
    try (Connection connection = database.connect()) {
      assertThat(admit(connection, arrival(0, 1, 5))).containsExactly(Status.NEW);
      assertThat(admit(connection, arrival(0, 1, 5))).containsExactly(Status.DUPLICATE);
      assertThat(admit(connection, arrival(0, 1, 4))).containsExactly(Status.DUPLICATE);
      assertThat(admit(connection, arrival(0, 1, 9))).containsExactly(Status.NEW);
      assertThat(admit(connection, arrival(1, 1, 5))).containsExactly(Status.NEW);
      assertThat(
              admit(
                  connection,
                  arrival(0, 1, 8),
                  arrival(0, 1, 10),
                  arrival(1, 1, 5),
                  arrival(2, 1, 1),
                  arrival(0, 1, 12),
                  arrival(0, 1, 10)))
          .containsExactly(
              Status.DUPLICATE,
              Status.NEW,
              Status.DUPLICATE,
              Status.NEW,
              Status.NEW,
              Status.DUPLICATE);
      connection.commit();
    }
    assertThat(database.number("SELECT sum(sequence) FROM inbox_watermark")).isEqualTo(12 + 5 + 1);
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isZero();
  }

  @Test
  void takesAnEventThatWasPublishedTwiceOnceWithinABatch() throws Exception {
    Arrival first = arrival(0, 1, 1);
    Arrival again = new Arrival(first.id(), null, new Origin(SOURCE, "orders", 0, 1, 2));
    try (Connection connection = database.connect()) {
      assertThat(admit(connection, first, again)).containsExactly(Status.NEW, Status.DUPLICATE);
      assertThat(admit(connection, again)).containsExactly(Status.DUPLICATE);
    }
  }

  @Test
  void forgetsTheMarkOfARollback() throws Exception {
    try (Connection connection = database.connect()) {
      admit(connection, arrival(0, 1, 5), arrival(0, 1, 6));
      connection.rollback();
      assertThat(admit(connection, arrival(0, 1, 5))).containsExactly(Status.NEW);
    }
  }

  @Test
  void answersRepeatsOfCommittedMessagesWithoutTheDatabase() throws Exception {
    try (Connection connection = database.connect()) {
      List<Outcome> outcomes =
          inbox.admitAll(
              connection, IntStream.rangeClosed(1, 10).mapToObj(i -> arrival(0, 1, i)).toList());
      connection.commit();
      inbox.committed(outcomes);
      database.execute("TRUNCATE inbox_watermark");
      assertThat(admit(connection, arrival(0, 1, 10), arrival(0, 1, 3)))
          .containsOnly(Status.DUPLICATE);
      assertThat(admit(connection, arrival(0, 1, 11))).containsExactly(Status.NEW);
    }
  }

  @Test
  void refusesANewEpochUntilItIsAcceptedAndKeepsWhereTheOldOneEnded() throws Exception {
    try (Connection connection = database.connect()) {
      admit(connection, arrival(0, 7, 100), arrival(1, 7, 90));
      connection.commit();
      for (int i = 1; i <= 2; i++) {
        Arrival[] arrivals =
            IntStream.range(0, i).mapToObj(n -> arrival(0, 8, n + 1)).toArray(Arrival[]::new);
        assertThatThrownBy(() -> admit(connection, arrivals))
            .isInstanceOf(InboxException.Misconfigured.class)
            .hasMessageContaining("source shop has begun epoch 8 after epoch 7 in orders-0")
            .hasMessageContaining("acceptEpoch");
        connection.rollback();
      }
      assertThat(inbox.acceptEpoch(connection, SOURCE, 8)).isEqualTo(2);
      assertThat(inbox.acceptEpoch(connection, SOURCE, 8)).isEqualTo(2);
      assertThat(admit(connection, arrival(0, 8, 1))).containsExactly(Status.NEW);
      // Handled, whatever has come since; and nobody knows, because no such number had come.
      assertThat(admit(connection, arrival(0, 7, 99), arrival(0, 7, 100)))
          .containsOnly(Status.DUPLICATE);
      assertThat(admit(connection, arrival(0, 7, 101))).containsExactly(Status.TOO_OLD);
      assertThat(admit(connection, arrival(0, 6, 1))).containsExactly(Status.TOO_OLD);
      assertThat(inbox.acceptEpoch(connection, SOURCE, 8)).isEqualTo(1);
    }
  }

  @Test
  void acceptsAnEpochByTheStatementThatItsRefusalNames() throws Exception {
    try (Connection connection = database.connect()) {
      admit(connection, arrival(0, 7, 1));
      connection.commit();
      InboxException refusal =
          catchThrowableOfType(
              InboxException.Misconfigured.class, () -> admit(connection, arrival(0, 8, 1)));
      connection.rollback();
      String text = refusal.getMessage();
      database.execute(text.substring(text.indexOf("INSERT INTO")));
      assertThat(admit(connection, arrival(0, 8, 1))).containsExactly(Status.NEW);
      assertThat(admit(connection, arrival(1, 9, 1))).containsExactly(Status.NEW);
    }
  }

  @Test
  void acceptingAnEpochLosesNothingThatCameBeforeItInTheSameBatch() throws Exception {
    Arrival[] batch =
        Stream.concat(
                IntStream.rangeClosed(2, 40).mapToObj(n -> arrival(0, 1, n)),
                IntStream.rangeClosed(1, 2).mapToObj(n -> arrival(0, 2, n)))
            .toArray(Arrival[]::new);
    try (Connection connection = database.connect()) {
      assertThat(admit(connection, arrival(0, 1, 1))).containsExactly(Status.NEW);
      connection.commit();
      assertThatThrownBy(() -> admit(connection, batch))
          .isInstanceOf(InboxException.Misconfigured.class);
      connection.rollback();
      inbox.acceptEpoch(connection, SOURCE, 2);
      connection.commit();
      assertThat(admit(connection, batch)).hasSize(41).containsOnly(Status.NEW);
      connection.commit();
      assertThat(admit(connection, batch)).containsOnly(Status.DUPLICATE);
    }
  }

  @Test
  void acceptingAnEpochLosesNothingOfAPartitionThatHasNotMetIt() throws Exception {
    try (Connection connection = database.connect()) {
      admit(connection, arrival(0, 1, 1), arrival(1, 1, 2));
      connection.commit();
      inbox.acceptEpoch(connection, SOURCE, 2);
      assertThat(admit(connection, arrival(0, 2, 1))).containsExactly(Status.NEW);
      connection.commit();
      assertThat(admit(connection, arrival(1, 1, 3), arrival(1, 1, 4)))
          .containsExactly(Status.NEW, Status.NEW);
      connection.commit();
      assertThat(admit(connection, arrival(1, 1, 2), arrival(1, 1, 5), arrival(1, 2, 2)))
          .containsExactly(Status.DUPLICATE, Status.NEW, Status.NEW);
      connection.commit();
      assertThat(admit(connection, arrival(1, 1, 5), arrival(1, 2, 2), arrival(1, 2, 3)))
          .containsExactly(Status.DUPLICATE, Status.DUPLICATE, Status.NEW);
    }
  }

  @Test
  void acceptsAnEpochWhereNoMarkIsYet() throws Exception {
    try (Connection connection = database.connect()) {
      assertThatThrownBy(() -> admit(connection, arrival(0, 1, 1), arrival(0, 2, 1)))
          .isInstanceOf(InboxException.Misconfigured.class);
      connection.rollback();
      assertThat(inbox.acceptEpoch(connection, SOURCE, 2)).isZero();
      connection.commit();
      assertThat(admit(connection, arrival(0, 1, 1), arrival(0, 2, 1)))
          .containsExactly(Status.NEW, Status.NEW);
    }
  }

  @Test
  void takesARepeatOfAnEarlierEpochForOneWithoutLosingTheOthersWhenMemoryIsFresh()
      throws Exception {
    try (Connection connection = database.connect()) {
      Arrival[] both = {arrival(0, 1, 5), arrival(0, 2, 1)};
      inbox.acceptEpoch(connection, SOURCE, 2);
      List<Outcome> outcomes = inbox.admitAll(connection, List.of(both));
      connection.commit();
      inbox.committed(outcomes);
      assertThat(admit(connection, both)).containsOnly(Status.DUPLICATE);
      assertThat(admit(connection, arrival(0, 1, 6))).containsExactly(Status.TOO_OLD);
    }
  }

  @Test
  void everyMessageTakesEffectOnceThroughEpochsBatchesRedeliveriesAndCrashes() throws Exception {
    long first = new Random().nextLong();
    for (long seed = first; seed < first + HISTORIES; seed++) {
      database.execute(
          "DELETE FROM effect",
          "DELETE FROM inbox_message",
          "DELETE FROM inbox_watermark",
          "DELETE FROM inbox_epoch_end",
          "DELETE FROM inbox_epoch_accepted");
      long messages;
      try {
        messages = new EpochHistory(database, seed).run();
      } catch (AssertionError | Exception e) {
        throw new AssertionError("seed " + seed, e);
      }
      assertThat(database.effects()).as("effects, seed %d", seed).isEqualTo(messages);
      assertThat(database.number("SELECT count(DISTINCT id) FROM effect"))
          .as("messages with effects, seed %d", seed)
          .isEqualTo(messages);
    }
  }

  private static Arrival identified(String id, int partition, long epoch, long sequence) {
    return new Arrival(
        InboxDatabase.newId(), null, new Origin(id, SOURCE, "orders", partition, epoch, sequence));
  }

  /** What the version before has left: its tables, and marks under the sources' names. */
  private void asOfTheVersionBefore(String... marks) throws Exception {
    database.execute("DROP TABLE inbox_epoch_end", "DROP TABLE inbox_epoch_accepted");
    for (String mark : marks) {
      database.execute(
          "INSERT INTO inbox_watermark"
              + " (consumer, source, topic, message_partition, epoch, sequence)"
              + " VALUES ('inventory', 'shop', 'orders', "
              + mark
              + ")");
    }
  }

  private void upgrade() throws Exception {
    if (database.isPostgres()) {
      database.database().runScript("schema/postgresql/10_inbox.sql");
    } else {
      database.runScript("schema/mysql/10_inbox.sql");
    }
  }

  @Test
  void goesOnWithTheTablesOfTheVersionBeforeUntilAnEpochChanges() throws Exception {
    asOfTheVersionBefore("0, 1, 40");
    try (Connection connection = database.connect()) {
      assertThat(admit(connection, arrival(0, 1, 40), arrival(0, 1, 41)))
          .containsExactly(Status.DUPLICATE, Status.NEW);
      connection.commit();
      assertThat(admit(connection, identified(SHARD, 0, 1, 42))).containsExactly(Status.NEW);
      connection.commit();
      assertThatThrownBy(() -> admit(connection, identified(SHARD, 0, 2, 1)))
          .isInstanceOf(InboxException.Misconfigured.class)
          .hasMessageContaining("10_inbox.sql");
      connection.rollback();
      upgrade();
      assertThatThrownBy(() -> admit(connection, identified(SHARD, 0, 2, 1)))
          .hasMessageContaining("source " + SHARD + " has begun epoch 2 after epoch 1");
      connection.rollback();
      inbox.acceptEpoch(connection, SHARD, 2);
      assertThat(admit(connection, identified(SHARD, 0, 2, 1), identified(SHARD, 0, 1, 42)))
          .containsExactly(Status.NEW, Status.DUPLICATE);
    }
  }

  @Test
  void goesOnFromTheMarkOfASourcesNameOnceItsMessagesSayTheirId() throws Exception {
    asOfTheVersionBefore("0, 1, 40", "1, 1, 7");
    upgrade();
    try (Connection connection = database.connect()) {
      // The version before has handled what has an id too, where agents were upgraded first.
      assertThat(
              admit(
                  connection,
                  arrival(0, 1, 39),
                  identified(SHARD, 0, 1, 40),
                  identified(SHARD, 0, 1, 41)))
          .containsExactly(Status.DUPLICATE, Status.DUPLICATE, Status.NEW);
      connection.commit();
      assertThat(admit(connection, identified(SHARD, 1, 1, 7))).containsExactly(Status.DUPLICATE);
      assertThat(admit(connection, identified(SHARD, 1, 1, 8))).containsExactly(Status.NEW);
      connection.commit();
      // And an agent of the version before may come back.
      assertThat(admit(connection, arrival(0, 1, 40), arrival(0, 1, 42)))
          .containsExactly(Status.DUPLICATE, Status.NEW);
      assertThat(admit(connection, identified(SHARD, 0, 1, 41), identified(SHARD, 0, 1, 43)))
          .containsExactly(Status.DUPLICATE, Status.NEW);
    }
  }

  @Test
  void letsAPersonDecideOnASourceWhoseMessagesTheVersionBeforeTookForRepeatsOfAnother()
      throws Exception {
    asOfTheVersionBefore("0, 5, 40");
    upgrade();
    String other = "7612/shop/outbox_publication";
    try (Connection connection = database.connect()) {
      assertThat(admit(connection, identified(SHARD, 0, 5, 41))).containsExactly(Status.NEW);
      assertThat(admit(connection, identified(other, 0, 4, 1))).containsExactly(Status.TOO_OLD);
      assertThat(inbox.acceptEpoch(connection, other, 4)).isZero();
      assertThat(admit(connection, identified(other, 0, 4, 1), identified(other, 0, 4, 2)))
          .containsOnly(Status.NEW);
      connection.commit();
      assertThat(admit(connection, identified(other, 0, 4, 2), identified(SHARD, 0, 5, 41)))
          .containsOnly(Status.DUPLICATE);
    }
  }

  @Test
  void losesNothingInSilenceOfWhatTheVersionBeforeHasPassedOverWhenAnEpochWasAccepted()
      throws Exception {
    asOfTheVersionBefore("0, 2, -1");
    upgrade();
    try (Connection connection = database.connect()) {
      assertThat(admit(connection, arrival(0, 1, 3), arrival(0, 2, 1)))
          .containsExactly(Status.TOO_OLD, Status.NEW);
    }
  }

  @Test
  void refusesMessagesWithoutANumberWhichTheHybridRemembersByTheirIds() throws Exception {
    Arrival foreign = Arrival.of(MessageId.of("foreign"));
    try (Connection connection = database.connect()) {
      assertThatThrownBy(() -> inbox.admit(connection, foreign))
          .isInstanceOf(InboxException.BadMessage.class)
          .hasMessageContaining("ce_sequence");
      Inbox hybrid = inbox(InboxMode.HYBRID);
      List<Arrival> mixed = List.of(foreign, arrival(0, 1, 1), foreign);
      assertThat(hybrid.admitAll(connection, mixed).stream().map(Outcome::status))
          .containsExactly(Status.NEW, Status.NEW, Status.DUPLICATE);
      connection.commit();
    }
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isEqualTo(1);
    assertThat(database.number("SELECT count(*) FROM inbox_watermark")).isEqualTo(1);
  }
}
