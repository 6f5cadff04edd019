package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.Outcome.Status;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

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
