package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class InboxIT extends InboxContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(postgres);
  }

  @Override
  boolean isConflict(int isolation) {
    return isolation != Connection.TRANSACTION_READ_COMMITTED;
  }

  @Override
  String schemaFile() {
    return "schema/postgresql/10_inbox.sql";
  }

  @Test
  void commitsDurablyInSessionsThatDoNotWaitForTheDisk() throws Exception {
    try (Connection connection = database.connect()) {
      connection.createStatement().execute("SET synchronous_commit = off");
      connection.commit();
      inbox.admit(connection, InboxDatabase.newId());
      try (var row = connection.createStatement().executeQuery("SHOW synchronous_commit")) {
        row.next();
        assertThat(row.getString(1)).isEqualTo("on");
      }
      connection.commit();
      try (var row = connection.createStatement().executeQuery("SHOW synchronous_commit")) {
        row.next();
        assertThat(row.getString(1)).isEqualTo("off");
      }
    }
  }

  @Test
  void findsItsTablesInANamedSchema() throws Exception {
    database.execute("CREATE SCHEMA consumer");
    try (Connection connection = database.connect()) {
      connection.createStatement().execute("SET search_path = consumer");
      connection.commit();
    }
    Inbox there = Inbox.named(InboxDatabase.CONSUMER).schema("public").build();
    try (Connection connection = database.connect()) {
      connection.createStatement().execute("SET search_path = consumer");
      assertThat(there.admit(connection, InboxDatabase.newId()).isNew()).isTrue();
    }
  }

  @Test
  void saysOfAKeyWhoseWorkIsNotDoneHowThatMayBe() throws Exception {
    Inbox.Work<SQLException> never = c -> new byte[1];
    try (Connection connection = database.connect()) {
      assertThatThrownBy(() -> inbox.once(connection, "a", c -> inbox.once(c, "a", never)))
          .isInstanceOf(InboxException.Unfinished.class)
          .hasMessageContaining("used within itself")
          .hasMessageContaining("needs a key of its own");
      // As a caller does that has swallowed what the work has thrown.
      connection.commit();
      assertThatThrownBy(() -> inbox.once(connection, "a", never))
          .isInstanceOf(InboxException.Unfinished.class)
          .hasMessageContaining("has failed and its transaction was committed all the same")
          .hasMessageContaining("roll back where once throws");
      connection.rollback();
    }
  }
}
