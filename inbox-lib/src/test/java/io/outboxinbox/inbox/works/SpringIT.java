package io.outboxinbox.inbox.works;

import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Outcome;
import java.sql.Connection;
import java.util.List;
import javax.sql.DataSource;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** {@code @Transactional} methods and {@code JdbcTemplate}. */
class SpringIT extends EffectsOnceContract {
  static class Reservations {
    private final Inbox inbox;
    private final DataSource dataSource;
    private final JdbcTemplate jdbc;

    Reservations(Inbox inbox, DataSource dataSource) {
      this.inbox = inbox;
      this.dataSource = dataSource;
      this.jdbc = new JdbcTemplate(dataSource);
    }

    // The trap: without rollbackFor Spring commits after a checked exception, and the message
    // would count as handled.
    @Transactional(rollbackFor = Exception.class)
    public boolean reserve(MessageId id, Step afterEffect) throws Exception {
      // The transaction's connection. dataSource.getConnection() would be another one.
      Connection connection = DataSourceUtils.getConnection(dataSource);
      Outcome outcome = notTooOld(inbox.admit(connection, id));
      if (outcome.isNew()) {
        jdbc.update("INSERT INTO reservation (order_id) VALUES (?)", id.text());
        afterEffect.run();
      }
      TransactionSynchronizationManager.registerSynchronization(
          new TransactionSynchronization() {
            @Override
            public void afterCommit() {
              inbox.committed(List.of(outcome));
            }
          });
      return outcome.isNew();
    }

    /** Called without a transaction. */
    public void reserveOutsideATransaction(MessageId id) throws Exception {
      Connection connection = DataSourceUtils.getConnection(dataSource);
      try {
        inbox.admit(connection, id);
      } finally {
        DataSourceUtils.releaseConnection(connection, dataSource);
      }
    }
  }

  @Configuration
  @EnableTransactionManagement(proxyTargetClass = true)
  static class Settings {
    @Bean
    PlatformTransactionManager transactionManager(DataSource dataSource) {
      return new JdbcTransactionManager(dataSource);
    }

    @Bean
    Reservations reservations(Inbox inbox, DataSource dataSource) {
      return new Reservations(inbox, dataSource);
    }
  }

  private AnnotationConfigApplicationContext context;

  @Override
  void start() {
    context = new AnnotationConfigApplicationContext();
    context.registerBean(DataSource.class, this::dataSource);
    context.registerBean(Inbox.class, () -> inbox);
    context.register(Settings.class);
    context.refresh();
  }

  @Override
  boolean consume(MessageId id, Step afterEffect) throws Exception {
    return context.getBean(Reservations.class).reserve(id, afterEffect);
  }

  @Override
  void misuse(MessageId id) throws Exception {
    context.getBean(Reservations.class).reserveOutsideATransaction(id);
  }

  @Override
  void stop() {
    context.close();
  }
}
