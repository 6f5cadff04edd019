package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Outcome.Status;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InboxRetentionIT extends RetentionContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(postgres);
  }

  @Override
  void becomeTheCleaner(Connection connection) throws SQLException {
    connection.createStatement().execute("SELECT * FROM inbox_clean('300 days')");
  }

  @Test
  void refusesARedeliveryFromADayThatWasDroppedAndKnowsTheOneBesideIt() throws Exception {
    for (int day = 5; day >= 2; day--) {
      String bounds = "inbox_first_key(date_trunc('day', now(), 'UTC') - interval '%d days')";
      database.execute(
          "DO $do$ BEGIN EXECUTE format('CREATE TABLE inbox_message_past"
              + day
              + " PARTITION OF inbox_message FOR VALUES FROM (%L) TO (%L)', "
              + bounds.formatted(day)
              + ", "
              + bounds.formatted(day - 1)
              + "); END $do$");
    }
    MessageId dropped = madeDaysAgo(5);
    MessageId kept = madeDaysAgo(2);
    assertThat(admit(dropped)).isEqualTo(Status.NEW);
    assertThat(admit(kept)).isEqualTo(Status.NEW);
    assertThat(clean().partitionsDropped()).isEqualTo(2);
    // The first time by the constraint, with the floor read before; then by the floor.
    assertThat(
            transactions
                .runThroughConflicts(2, connection -> inbox.admit(connection, dropped))
                .status())
        .isEqualTo(Status.TOO_OLD);
    assertThat(admit(dropped)).isEqualTo(Status.TOO_OLD);
    assertThat(admit(kept)).isEqualTo(Status.DUPLICATE);
  }

  /** Its snapshot shows the old floor, below which ids without a date may have been deleted. */
  @ParameterizedTest
  @ValueSource(ints = {Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE})
  void runsATransactionAgainThatIsTooOldToSeeTheFloor(int isolation) throws Exception {
    Arrival forgotten =
        new Arrival(MessageId.of("order-1"), Instant.now().minus(Duration.ofDays(2)), null);
    Inbox fresh = Inbox.named(InboxDatabase.CONSUMER).build();
    try (Connection connection = clockAhead("6 minutes", isolation)) {
      // Takes the snapshot.
      connection.createStatement().execute("SELECT floor FROM inbox_floor");
      database.execute("UPDATE inbox_floor SET floor = now() - interval '1 day'");
      assertThatThrownBy(() -> fresh.admit(connection, forgotten))
          .isInstanceOf(InboxException.Retryable.class)
          .hasMessageContaining("run the whole transaction again");
    }
    try (Connection connection = database.connect(isolation)) {
      assertThat(fresh.admit(connection, forgotten).isTooOld()).isTrue();
    }
  }

  @Test
  void readsTheFloorInYoungTransactionsAndInThoseThatSeeThePresent() throws Exception {
    MessageId id = InboxDatabase.newId();
    try (Connection connection = clockAhead("4 minutes", Connection.TRANSACTION_REPEATABLE_READ)) {
      assertThat(Inbox.named("young").build().admit(connection, id).isNew()).isTrue();
    }
    try (Connection connection = clockAhead("1 day", Connection.TRANSACTION_READ_COMMITTED)) {
      assertThat(Inbox.named("present").build().admit(connection, id).isNew()).isTrue();
    }
  }

  /** A transaction that seems to have begun that long ago. */
  private Connection clockAhead(String interval, int isolation) throws SQLException {
    database.execute(
        "CREATE OR REPLACE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
            + " $$ SELECT pg_catalog.clock_timestamp() + interval '"
            + interval
            + "' $$");
    Connection connection = database.connect(isolation);
    connection.createStatement().execute("SET search_path = public, pg_catalog");
    connection.commit();
    return connection;
  }

  @Test
  void tellsThatTomorrowHasNoPartitionAndThatTheDefaultOneGrows() throws Exception {
    database.execute(
        "DO $do$ DECLARE name text; BEGIN FOR name IN SELECT p.name FROM inbox_partitions() AS p"
            + " WHERE p.until_key IS NOT NULL LOOP EXECUTE 'DROP TABLE ' || name; END LOOP; END $do$",
        "INSERT INTO inbox_message (consumer, message_key) SELECT 'inventory',"
            + " inbox_first_key(now() + n * interval '1 millisecond') FROM generate_series(1, 1000) AS n");
    assertThat(findings().stream().map(Finding::kind))
        .containsExactly(
            Finding.Kind.NO_PARTITION_FOR_TOMORROW, Finding.Kind.DEFAULT_PARTITION_GROWS);
  }
}
