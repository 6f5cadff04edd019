package io.outboxinbox.testkit;

import java.util.function.Supplier;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.kafka.KafkaContainer;
import org.testcontainers.postgresql.PostgreSQLContainer;

/** The only class that knows Testcontainers, loaded only with {@code -Dtestkit=containers}. */
final class Containers {
  private static final String KAFKA_IMAGE = "apache/kafka:4.2.2";

  private Containers() {}

  /** A started container with the address the tests see. */
  record Started<T>(T address, Runnable stop) {}

  static Started<PostgresAddress> postgres(PostgresVersion version) {
    return orExplain(
        "PostgreSQL",
        () -> {
          PostgreSQLContainer container = new PostgreSQLContainer("postgres:" + version.major());
          container.setCommand(
              "postgres",
              "-c",
              "wal_level=logical",
              "-c",
              "fsync=on",
              "-c",
              "max_wal_senders=20",
              "-c",
              "max_replication_slots=20",
              "-c",
              "max_connections=200");
          container.withUsername("postgres");
          container.withPassword(PostgresBinaries.SUPERUSER_PASSWORD);
          start(container);
          PostgresAddress address =
              new PostgresAddress(
                  container.getHost(),
                  container.getMappedPort(PostgreSQLContainer.POSTGRESQL_PORT),
                  "postgres",
                  PostgresBinaries.SUPERUSER_PASSWORD);
          return new Started<>(address, container::stop);
        });
  }

  static Started<String> kafka() {
    return orExplain(
        "Kafka",
        () -> {
          KafkaContainer container =
              new KafkaContainer(KAFKA_IMAGE)
                  .withEnv("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
                  .withEnv("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
                  .withEnv("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
                  .withEnv("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0");
          start(container);
          return new Started<>(container.getBootstrapServers(), container::stop);
        });
  }

  private static void start(GenericContainer<?> container) {
    container.start();
  }

  private static <T> T orExplain(String server, Supplier<T> start) {
    try {
      return start.get();
    } catch (IllegalStateException noEngine) {
      throw new IllegalStateException(
          "-Dtestkit=containers: no container of "
              + server
              + " could be started; is a Docker engine running?"
              + " -Dtestkit=embedded runs the same tests without one",
          noEngine);
    }
  }
}
