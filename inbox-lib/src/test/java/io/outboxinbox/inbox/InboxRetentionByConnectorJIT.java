package io.outboxinbox.inbox;

class InboxRetentionByConnectorJIT extends RetentionOnMySqlContract {
  @Override
  MySqlDriver driver() {
    return MySqlDriver.CONNECTOR_J;
  }
}
