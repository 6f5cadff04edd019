package io.outboxinbox.inbox.works;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Outcome;
import java.sql.Connection;
import java.util.List;

/** A pool whose connections begin transactions by themselves. */
class HikariIT extends EffectsOnceContract {
  private HikariDataSource pool;

  @Override
  void start() {
    HikariConfig config = new HikariConfig();
    config.setDataSource(dataSource());
    config.setAutoCommit(false);
    pool = new HikariDataSource(config);
  }

  @Override
  boolean consume(MessageId id, Step afterEffect) throws Exception {
    // The trap: close() gives the connection back to the pool, and rolls back what was not
    // committed. That is right after an exception; after a duplicate nothing is lost by it.
    try (Connection connection = pool.getConnection()) {
      Outcome outcome = notTooOld(inbox.admit(connection, id));
      if (outcome.isNew()) {
        PlainJdbcIT.reserve(connection, id);
        afterEffect.run();
        connection.commit();
        inbox.committed(List.of(outcome));
      }
      return outcome.isNew();
    }
  }

  /** The pool's own default is auto-commit. */
  @Override
  void misuse(MessageId id) throws Exception {
    HikariConfig config = new HikariConfig();
    config.setDataSource(dataSource());
    try (HikariDataSource defaults = new HikariDataSource(config);
        Connection connection = defaults.getConnection()) {
      inbox.admit(connection, id);
    }
  }

  @Override
  void stop() {
    pool.close();
  }
}
