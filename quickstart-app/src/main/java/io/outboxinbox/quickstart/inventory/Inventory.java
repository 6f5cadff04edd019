package io.outboxinbox.quickstart.inventory;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.kafka.InboxConsumer;
import java.util.Map;

/**
 * The inventory service: keeps stock by listening to orders. The inbox and the effects of a message
 * are one transaction, so a message that comes again does nothing.
 */
public final class Inventory {
  public static final String GROUP = "inventory";

  /** A static member: restarted after a kill, it goes on at once in its own place. */
  public static final String MEMBER = "inventory-1";

  private static final int BATCH_MAX = 100;
  private static final int CONNECTIONS = 2;

  private Inventory() {}

  /**
   * Runs until it is told to end.
   *
   * @param arguments JDBC URL, bootstrap servers, topic
   */
  public static void main(String[] arguments) {
    HikariConfig pool = new HikariConfig();
    pool.setPoolName(GROUP);
    pool.setJdbcUrl(arguments[0]);
    pool.setMaximumPoolSize(CONNECTIONS);
    pool.setAutoCommit(false);
    HikariDataSource dataSource = new HikariDataSource(pool);
    InboxConsumer consumer =
        InboxConsumer.builder()
            .inbox(Inbox.named(GROUP).build())
            .dataSource(dataSource)
            .kafka(
                Map.of(
                    "bootstrap.servers",
                    arguments[1],
                    "group.id",
                    GROUP,
                    "group.instance.id",
                    MEMBER,
                    "auto.offset.reset",
                    "earliest"))
            .topics(arguments[2])
            .batchHandler(
                (connection, messages) ->
                    StockTable.apply(connection, messages.stream().map(OrderEvent::of).toList()))
            .batchMax(BATCH_MAX)
            .build();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  consumer.close();
                  dataSource.close();
                },
                "inventory-stop"));
    consumer.start();
  }
}
