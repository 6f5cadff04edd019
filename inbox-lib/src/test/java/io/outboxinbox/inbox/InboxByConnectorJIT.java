package io.outboxinbox.inbox;

import io.outboxinbox.testkit.MariaDbExtension;
import org.junit.jupiter.api.extension.RegisterExtension;

class InboxByConnectorJIT extends InboxContract {
  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(mariadb, MySqlDriver.CONNECTOR_J);
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
}
