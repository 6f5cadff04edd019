package io.outboxinbox.inbox;

import io.outboxinbox.testkit.MariaDbExtension;
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
}
