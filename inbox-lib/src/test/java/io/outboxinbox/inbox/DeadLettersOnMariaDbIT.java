package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.MariaDbExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class DeadLettersOnMariaDbIT extends DeadLettersIT {
  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(mariadb, MySqlDriver.MARIADB);
  }

  // Without its annotation none of these is a test: they ask what only PostgreSQL has, or make
  // their
  // rows with its functions.

  @Override
  void makesASessionThatDoesNotWaitForTheDiskWait() {}

  @Override
  void purgesOldOnesInBatchesAndNoOthers() {}

  @Override
  void namesTheSchemaFileWhereTablesAreMissing() {}

  @Override
  void listsALargeNumberByPages() {}

  @Test
  void takesTheTablesOfTheVersionBeforeAlong() throws Exception {
    InboxDatabase database = create();
    database.execute("ALTER TABLE inbox_dead_letter_header MODIFY name text NOT NULL");
    database.runScript("schema/mysql/10_inbox.sql");
    assertThat(
            database.number(
                "SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE()"
                    + " AND table_name = 'inbox_dead_letter_header' AND column_name = 'name'"
                    + " AND column_type = 'mediumtext'"))
        .isEqualTo(1);
  }

  @Test
  void takesTheIndexOfTheVersionBeforeAlong() throws Exception {
    InboxDatabase database = create();
    database.execute(
        "ALTER TABLE inbox_dead_letter DROP KEY inbox_dead_letter_message,"
            + " ADD KEY inbox_dead_letter_message (consumer, message_key)");
    for (int run = 0; run < 2; run++) {
      database.runScript("schema/mysql/10_inbox.sql");
      assertThat(
              database.number(
                  "SELECT count(*) FROM information_schema.statistics"
                      + " WHERE table_schema = DATABASE() AND table_name = 'inbox_dead_letter'"
                      + " AND index_name = 'inbox_dead_letter_message'"
                      + " AND column_name = 'message_id' AND seq_in_index = 2"))
          .isEqualTo(1);
    }
  }
}
