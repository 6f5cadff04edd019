package io.outboxinbox.e2e.rig;

import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.Message;
import io.outboxinbox.inbox.Outbox;
import io.outboxinbox.inbox.OutboxMessage;
import io.outboxinbox.inbox.kafka.InboxConsumer;
import io.outboxinbox.testkit.ChildProcess;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A service between two topics: for each message an effect in its database and an event of its own
 * in the same transaction. Main class of a process that is killed.
 */
public final class ForwardingConsumer {
  static final String GROUP = "forwarding";
  private static final int BATCH_MAX = 50;
  private static final int SESSION_TIMEOUT_MILLIS = 6_000;

  private ForwardingConsumer() {}

  /** A process that reads a topic and writes into a database; not yet running. */
  public static ChildProcess process(
      String name, SourceDatabase database, String bootstrapServers, String topic) {
    return new ChildProcess(
        "consumer " + name,
        ChildProcess.java(
            "-Xmx128m",
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            ForwardingConsumer.class.getName(),
            database.jdbcUrl(),
            bootstrapServers,
            topic),
        AgentProcess.logs().resolve(name + ".log"));
  }

  /**
   * Runs until the process ends.
   *
   * @param arguments JDBC URL, bootstrap servers, topic to read
   */
  public static void main(String[] arguments) {
    PGSimpleDataSource dataSource = new PGSimpleDataSource();
    dataSource.setURL(arguments[0]);
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
                    "auto.offset.reset",
                    "earliest",
                    "session.timeout.ms",
                    SESSION_TIMEOUT_MILLIS))
            .topics(arguments[2])
            .batchHandler(ForwardingConsumer::forward)
            .batchMax(BATCH_MAX)
            .build();
    Runtime.getRuntime().addShutdownHook(new Thread(consumer::close, "forwarding-stop"));
    consumer.start();
  }

  private static void forward(Connection connection, List<Message> messages) throws SQLException {
    List<OutboxMessage> events = new ArrayList<>();
    try (PreparedStatement insert =
        connection.prepareStatement("INSERT INTO effect VALUES (?, ?)")) {
      for (Message message : messages) {
        String key = new String(message.key(), StandardCharsets.UTF_8);
        insert.setString(1, message.id().text());
        insert.setString(2, key);
        insert.addBatch();
        events.add(
            OutboxMessage.builder()
                .aggregateType("forwarded")
                .aggregateId(key)
                .eventType("Forwarded")
                .payload("{\"of\":\"" + message.id().text() + "\"}")
                .causedBy(message)
                .build());
      }
      insert.executeBatch();
    }
    Outbox.create().publishAll(connection, events);
  }
}
