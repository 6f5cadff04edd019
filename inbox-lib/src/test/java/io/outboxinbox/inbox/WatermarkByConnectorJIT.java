package io.outboxinbox.inbox;

import io.outboxinbox.testkit.MariaDbExtension;
import org.junit.jupiter.api.extension.RegisterExtension;

class WatermarkByConnectorJIT extends WatermarkContract {
  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(mariadb, MySqlDriver.CONNECTOR_J);
  }
}
