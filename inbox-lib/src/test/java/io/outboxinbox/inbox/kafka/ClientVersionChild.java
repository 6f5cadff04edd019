package io.outboxinbox.inbox.kafka;

import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.inbox.Inbox;
import java.io.OutputStream;
import java.util.Map;

/**
 * A consumer in a process with a Kafka client of another version. Closes it with its standard
 * input, and tells how that went.
 */
final class ClientVersionChild {
  private ClientVersionChild() {}

  public static void main(String[] args) throws Exception {
    System.out.println("client " + KafkaClient.version());
    try (HikariDataSource dataSource = new HikariDataSource()) {
      dataSource.setJdbcUrl(args[0]);
      dataSource.setUsername(args[1]);
      dataSource.setPassword(args[2]);
      dataSource.setMaximumPoolSize(3);
      InboxConsumer consumer =
          InboxConsumer.builder()
              .inbox(Inbox.named(ConsumerRig.NAME).build())
              .dataSource(dataSource)
              .kafka(Map.of("bootstrap.servers", args[3], "group.id", args[4]))
              .topics(args[5])
              .threads(2)
              .offsetsInDatabase(true)
              .handler(
                  (connection, message) -> {
                    try (var insert =
                        connection.prepareStatement(
                            "INSERT INTO effect (id, text) VALUES (?, ?)")) {
                      insert.setString(1, message.id().text());
                      insert.setString(2, message.text());
                      insert.executeUpdate();
                    }
                  })
              .build();
      consumer.start();
      System.in.transferTo(OutputStream.nullOutputStream());
      System.out.println("state " + consumer.state() + " " + consumer.lastFailure());
      consumer.close();
      System.out.println("state " + consumer.state());
    }
  }
}
