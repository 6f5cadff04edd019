package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.DeadLetters;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.MessageHandler;
import io.outboxinbox.inbox.RetryOutcome.Status;
import io.outboxinbox.inbox.Transactions;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Transactional;

/** A handler that calls a service of Spring's, with a message that fails behind its effect. */
class SpringHandlerIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final int ATTEMPTS = 5;

  static class Reservations {
    private final JdbcTemplate jdbc;

    Reservations(DataSource dataSource) {
      this.jdbc = new JdbcTemplate(dataSource);
    }

    @Transactional
    public void reserve(String id, String text) {
      jdbc.update("INSERT INTO effect (id, text) VALUES (?, ?)", id, text);
    }
  }

  @Configuration
  @EnableTransactionManagement(proxyTargetClass = true)
  static class Beans {
    @Bean
    PlatformTransactionManager transactionManager(DataSource dataSource) {
      return new JdbcTransactionManager(dataSource);
    }

    @Bean
    Reservations reservations(DataSource dataSource) {
      return new Reservations(dataSource);
    }
  }

  private ConsumerRig rig;
  private AnnotationConfigApplicationContext context;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("o", 1));
    context = new AnnotationConfigApplicationContext();
    context.registerBean(DataSource.class, rig::dataSource);
    context.register(Beans.class);
    context.refresh();
  }

  @AfterEach
  void tearDown() {
    context.close();
    rig.close();
  }

  @Test
  void tellsOfAHandlerWhoseEffectsAreInAnotherTransaction() throws Exception {
    MessageHandler handler =
        (connection, message) -> {
          context.getBean(Reservations.class).reserve(message.id().text(), message.text());
          throw new IllegalStateException("poison");
        };
    InboxConsumer consumer = consume(handler);
    // What the warning is about: one row for each attempt.
    assertThat(rig.effects()).isEqualTo(ATTEMPTS);
    assertThat(consumer.findings())
        .singleElement()
        .asString()
        .contains("never used the connection", rig.topic() + "-0@0", "@Transactional");
    DeadLetters letters = DeadLetters.of(Inbox.named(ConsumerRig.NAME).build());
    long id = rig.deadLetters().get(0).id();
    assertThat(letters.retry(new Transactions(rig.dataSource()), id, handler).status())
        .isEqualTo(Status.FAILED);
    assertThat(rig.effects()).isEqualTo(ATTEMPTS + 1);
  }

  @Test
  void leavesNothingOfAFailedMessageWhereSpringWritesOnTheGivenConnection() throws Exception {
    InboxConsumer consumer =
        consume(
            (connection, message) -> {
              new Reservations(new SingleConnectionDataSource(connection, true))
                  .reserve(message.id().text(), message.text());
              throw new IllegalStateException("poison");
            });
    assertThat(rig.effects()).isZero();
    assertThat(consumer.findings()).isEmpty();
  }

  /** Until its only message is a dead letter. */
  private InboxConsumer consume(MessageHandler handler) throws Exception {
    rig.send("a", ConsumerRig.newId(), "poison");
    rig.flush();
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .retry(new RetryPolicy(ATTEMPTS, Duration.ofMillis(5), Duration.ofMillis(20), 0.5))
                .handler(handler));
    eventually().atMost(Duration.ofMinutes(2)).until(() -> rig.deadLetters().size() == 1);
    return consumer;
  }
}
