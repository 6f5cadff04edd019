package io.outboxinbox.inbox;

class InboxRetentionOnMariaDbIT extends RetentionOnMySqlContract {
  @Override
  MySqlDriver driver() {
    return MySqlDriver.MARIADB;
  }
}
