package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.testkit.MariaDbExtension;
import java.sql.Connection;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class InboxOnMariaDbIT extends InboxContract {
  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(mariadb, MySqlDriver.MARIADB);
  }

  /** Locks show the present whatever the snapshot, so nobody has to run again. */
  @Override
  boolean isConflict(int isolation) {
    return false;
  }

  @Override
  String schemaFile() {
    return "schema/mysql/10_inbox.sql";
  }

  /** The default of MariaDB 11.6 and later. */
  @Test
  void runsAgainWhereTheServerRefusesWhatIsNewerThanTheSnapshot() throws Exception {
    MessageId id = InboxDatabase.newId();
    try (Connection first = database.connect();
        Connection second = database.connect()) {
      second.createStatement().execute("SET SESSION innodb_snapshot_isolation = ON");
      second.createStatement().executeQuery("SELECT count(*) FROM inbox_offset").next();
      assertThat(inbox.admit(first, id).isNew()).isTrue();
      first.commit();
      assertThatThrownBy(() -> inbox.admit(second, id))
          .isInstanceOf(SQLException.class)
          .satisfies(e -> assertThat(RetryAdvice.of(e)).isEqualTo(RetryAdvice.AGAIN));
      second.rollback();
      assertThat(inbox.admit(second, id).isDuplicate()).isTrue();
    }
  }
}
