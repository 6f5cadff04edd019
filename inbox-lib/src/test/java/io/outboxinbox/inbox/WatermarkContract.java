package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Outcome.Status;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every database promises of marks. */
abstract class WatermarkContract {
  private static final String SOURCE = "shop";

  private final Inbox inbox = inbox(InboxMode.WATERMARK);
  private InboxDatabase database;

  private static Inbox inbox(InboxMode mode) {
    return Inbox.named(InboxDatabase.CONSUMER).mode(mode).build();
  }

  abstract InboxDatabase create() throws Exception;

  @BeforeEach
  void setUp() throws Exception {
    database = create();
  }

  private static Arrival arrival(int partition, long epoch, long sequence) {
    return new Arrival(
        InboxDatabase.newId(), null, new Origin(SOURCE, "orders", partition, epoch, sequence));
  }

  private List<Status> admit(Connection connection, Arrival... arrivals) throws SQLException {
    return inbox.admitAll(connection, Arrays.asList(arrivals)).stream()
        .map(Outcome::status)
        .toList();
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
  void refusesANewEpochUntilItIsAcceptedAndTakesAnOldOneForRepeats() throws Exception {
    try (Connection connection = database.connect()) {
      admit(connection, arrival(0, 7, 100), arrival(1, 7, 90));
      connection.commit();
      for (int i = 1; i <= 2; i++) {
        Arrival[] arrivals =
            IntStream.range(0, i).mapToObj(n -> arrival(0, 8, n + 1)).toArray(Arrival[]::new);
        assertThatThrownBy(() -> admit(connection, arrivals))
            .isInstanceOf(InboxException.Misconfigured.class)
            .hasMessageContaining("source shop has begun epoch 8 after epoch 7")
            .hasMessageContaining("acceptEpoch");
        connection.rollback();
      }
      assertThat(inbox.acceptEpoch(connection, SOURCE, 8)).isEqualTo(2);
      assertThat(admit(connection, arrival(0, 8, 1))).containsExactly(Status.NEW);
      assertThat(admit(connection, arrival(0, 7, 101))).containsExactly(Status.DUPLICATE);
      assertThat(inbox.acceptEpoch(connection, SOURCE, 8)).isZero();
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
