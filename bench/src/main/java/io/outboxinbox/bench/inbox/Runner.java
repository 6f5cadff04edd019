package io.outboxinbox.bench.inbox;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.kafka.ConsumerListener;
import io.outboxinbox.inbox.kafka.InboxConsumer;
import io.outboxinbox.testkit.KafkaBrokerProcess;
import io.outboxinbox.testkit.PostgresDatabase;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/**
 * An {@link InboxConsumer} as users run it, one message a transaction. Its pool gives it no
 * connection between the rounds, so that nothing is done before the clock starts.
 */
final class Runner implements AutoCloseable {
  private static final long ROUND_SECONDS_MAX = 120;

  private final HikariDataSource pool;
  private final Sales sales;
  private final InboxConsumer consumer;
  private final int messages;
  private final Semaphore handled = new Semaphore(0);
  private final Gate gate = new Gate();

  Runner(
      KafkaBrokerProcess broker,
      PostgresDatabase database,
      Inbox inbox,
      Stock stock,
      Ids ids,
      int messages) {
    this.messages = messages;
    this.sales = new Sales(broker, "sales", ids);
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(database.jdbcUrl());
    config.setUsername(database.user());
    config.setPassword(database.password());
    config.setMaximumPoolSize(2);
    this.pool = new HikariDataSource(config);
    this.consumer =
        InboxConsumer.builder()
            .inbox(inbox)
            .dataSource(gated(pool))
            .kafka(Map.of("bootstrap.servers", broker.bootstrapServers(), "group.id", "bench"))
            .topics(sales.topic())
            .threads(1)
            .batchMax(1)
            .bufferMax(2 * messages)
            .handler((connection, message) -> stock.sellOne(connection))
            .listener(
                new ConsumerListener() {
                  @Override
                  public void handled(String topic, int number, Duration time) {
                    handled.release(number);
                  }
                })
            .build();
    consumer.start();
  }

  /** Lets the broker have a round's messages, and the consumer fetch them. */
  void prepare() {
    gate.close();
    sales.send(messages);
  }

  /** Handles a round's messages. */
  long run() {
    gate.open();
    try {
      if (!handled.tryAcquire(messages, ROUND_SECONDS_MAX, TimeUnit.SECONDS)) {
        throw new IllegalStateException(
            "InboxConsumer is " + consumer.state() + ": " + consumer.reason());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
    return messages;
  }

  /** Lets callers through while it is open. */
  private static final class Gate {
    private boolean isClosed;

    synchronized void open() {
      isClosed = false;
      notifyAll();
    }

    synchronized void close() {
      isClosed = true;
    }

    synchronized void pass() throws InterruptedException {
      while (isClosed) {
        wait();
      }
    }
  }

  private DataSource gated(DataSource real) {
    return (DataSource)
        Proxy.newProxyInstance(
            Runner.class.getClassLoader(),
            new Class<?>[] {DataSource.class},
            (proxy, method, arguments) -> {
              gate.pass();
              try {
                return method.invoke(real, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  @Override
  public void close() {
    gate.open();
    consumer.close();
    sales.close();
    pool.close();
  }
}
