package io.outboxinbox.inbox;

import io.outboxinbox.testkit.MariaDbExtension;
import org.junit.jupiter.api.extension.RegisterExtension;

class WatermarkOnMariaDbIT extends WatermarkContract {
  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(mariadb, MySqlDriver.MARIADB);
  }
}
