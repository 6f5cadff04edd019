package io.outboxinbox.inbox.kafka;

import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxMode;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;

/** A consumer as a process of its own, to be killed. Ends with its standard input. */
final class ConsumerChild {
  private ConsumerChild() {}

  public static void main(String[] args) throws Exception {
    HikariDataSource dataSource = new HikariDataSource();
    dataSource.setJdbcUrl(args[0]);
    dataSource.setUsername(args[1]);
    dataSource.setPassword(args[2]);
    dataSource.setMaximumPoolSize(6);
    dataSource.setConnectionTimeout(2_000);
    InboxConsumer consumer =
        InboxConsumer.builder()
            .inbox(Inbox.named(ConsumerRig.NAME).mode(InboxMode.valueOf(args[6])).build())
            .dataSource(dataSource)
            .kafka(
                Map.of(
                    "bootstrap.servers", args[3],
                    "group.id", args[4],
                    "session.timeout.ms", 1_000,
                    "heartbeat.interval.ms", 200,
                    "partition.assignment.strategy", args[7]))
            .topics(args[5])
            .threads(3)
            // Half of them with a transaction for each message.
            .batchMax(ThreadLocalRandom.current().nextBoolean() ? 1 : 20)
            .offsetsInDatabase(Boolean.parseBoolean(args[8]))
            .retry(new RetryPolicy(50, Duration.ofMillis(5), Duration.ofMillis(20), 1))
            .handler(
                (connection, message) -> {
                  ConsumerRig.addEffect(connection, message);
                  // So that kills meet open transactions, and failures meet kills.
                  LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(2_000_000));
                  if (ThreadLocalRandom.current().nextInt(100) == 0) {
                    throw new IllegalStateException("by chance");
                  }
                })
            .build();
    consumer.start();
    System.in.transferTo(OutputStream.nullOutputStream());
    System.exit(0);
  }
}
