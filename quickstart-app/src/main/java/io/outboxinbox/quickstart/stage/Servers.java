package io.outboxinbox.quickstart.stage;

import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/** PostgreSQL as a process and Kafka inside this JVM, started side by side. */
public final class Servers implements AutoCloseable {
  private final PostgresServer postgres;
  private final KafkaBroker kafka;

  private Servers(PostgresServer postgres, KafkaBroker kafka) {
    this.postgres = postgres;
    this.kafka = kafka;
  }

  /**
   * Returns when both answer.
   *
   * @throws Trouble one of them does not start; neither is left running
   */
  public static Servers start(Workplace workplace, Ports ports) throws Trouble {
    PostgresServer.Options postgresOptions =
        PostgresServer.Options.of(PostgresVersion.V17)
            .withPort(ports.postgres())
            .withDataDirectory(workplace.file("postgres"));
    KafkaBroker.Options kafkaOptions =
        KafkaBroker.Options.defaults()
            .withPort(ports.kafka())
            .withDataDirectory(workplace.file("kafka"));
    CompletableFuture<PostgresServer> postgres =
        CompletableFuture.supplyAsync(() -> PostgresServer.start(postgresOptions));
    CompletableFuture<KafkaBroker> kafka =
        CompletableFuture.supplyAsync(() -> KafkaBroker.start(kafkaOptions));
    Throwable postgresFailure = failure(postgres);
    Throwable kafkaFailure = failure(kafka);
    if (postgresFailure != null) {
      if (kafkaFailure == null) {
        kafka.join().close();
      }
      throw new Trouble(
          "PostgreSQL does not start: " + postgresFailure.getMessage(), postgresFailure);
    }
    if (kafkaFailure != null) {
      postgres.join().close();
      throw new Trouble("Kafka does not start: " + kafkaFailure, kafkaFailure);
    }
    return new Servers(postgres.join(), kafka.join());
  }

  public PostgresServer postgres() {
    return postgres;
  }

  public KafkaBroker kafka() {
    return kafka;
  }

  @Override
  public void close() {
    try {
      kafka.close();
    } finally {
      postgres.close();
    }
  }

  private static @Nullable Throwable failure(CompletableFuture<?> start) {
    try {
      start.join();
      return null;
    } catch (CompletionException e) {
      return e.getCause() == null ? e : e.getCause();
    }
  }
}
