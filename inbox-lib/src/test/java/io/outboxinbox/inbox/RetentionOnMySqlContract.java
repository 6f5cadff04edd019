package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.MariaDbExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Forgetting on MariaDB, with each of the two drivers. */
abstract class RetentionOnMySqlContract extends RetentionContract {
  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();

  abstract MySqlDriver driver();

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(mariadb, driver());
  }

  @Override
  void becomeTheCleaner(Connection connection) throws SQLException {
    connection
        .createStatement()
        .execute("SELECT GET_LOCK(CONCAT('inbox_clean.', SHA1(DATABASE())), 0)");
  }

  @Test
  void leavesTheSessionAsItWas() throws Exception {
    try (Connection connection = database.connect()) {
      connection.createStatement().execute("SET SESSION innodb_lock_wait_timeout = 17");
      assertThat(inbox.dialect().cleaner(connection).step(connection, Duration.ofDays(3), 10))
          .isPresent();
      try (var row =
          connection.createStatement().executeQuery("SELECT @@SESSION.innodb_lock_wait_timeout")) {
        row.next();
        assertThat(row.getInt(1)).isEqualTo(17);
      }
    }
  }

  @Test
  void movesTheFloorNoFurtherThanItsOwnClockAgrees() throws Exception {
    try (Connection connection = database.connect()) {
      connection.createStatement().execute("SET timestamp = UNIX_TIMESTAMP() + 31536000");
      var step = inbox.dialect().cleaner(connection).step(connection, Duration.ofDays(3), 10);
      connection.commit();
      assertThat(step)
          .hasValueSatisfying(
              done -> assertThat(done.floor()).isBefore(Instant.now().minus(Duration.ofDays(3))));
    }
    assertThat(findings()).isEmpty();
  }
}
