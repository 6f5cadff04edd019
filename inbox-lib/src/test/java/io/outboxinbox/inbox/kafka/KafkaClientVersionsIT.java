package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.ChildProcess;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: a consumer works with each Kafka client an application may bring. Method: a process whose
 * class path holds that version instead of ours; the build puts the jars into {@code
 * target/kafka-clients}.
 */
class KafkaClientVersionsIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final Duration LIMIT = Duration.ofSeconds(90);
  private static final int MESSAGES = 20;

  /** 3.9, 4.0, 4.1 and the newest. */
  static List<Path> clients() throws IOException {
    try (Stream<Path> jars = Files.list(Path.of("target", "kafka-clients"))) {
      List<Path> found = jars.sorted().toList();
      assertThat(found).hasSizeGreaterThanOrEqualTo(4);
      return found;
    }
  }

  @ParameterizedTest
  @MethodSource("clients")
  void handlesCommitsAndClosesWithTheClientTheApplicationBrings(Path client) throws Exception {
    PostgresDatabase database = postgres.newDatabase();
    Path output = Files.createTempFile("inbox-client-", ".out");
    try (ConsumerRig rig =
        ConsumerRig.of(database, kafka.bootstrapServers(), kafka.newTopic("o", 1))) {
      sendInATransaction(rig);
      Process child =
          new ProcessBuilder(command(client, database, rig))
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
      try {
        eventually()
            .atMost(LIMIT)
            .failFast(() -> !child.isAlive())
            .untilAsserted(() -> assertThat(rig.effects()).as(lines(output)).isEqualTo(MESSAGES));
        // The commit of the Kafka transaction takes an offset too, and a group that is done with
        // everything has no lag.
        eventually()
            .atMost(LIMIT)
            .untilAsserted(
                () -> assertThat(rig.committedOffset(0)).as(lines(output)).isEqualTo(MESSAGES + 1));
        child.getOutputStream().close();
        assertThat(child.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)).as(lines(output)).isTrue();
        assertThat(Files.readString(output))
            .contains("client " + versionOf(client))
            .contains("state RUNNING", "state CLOSED")
            .doesNotContain("ERROR");
        assertThat(child.exitValue()).isZero();
      } finally {
        child.destroyForcibly().waitFor();
      }
    } finally {
      Files.delete(output);
    }
  }

  @SuppressWarnings("FutureReturnValueIgnored") // The commit fails if one of them has.
  private static void sendInATransaction(ConsumerRig rig) {
    Map<String, Object> properties =
        Map.of(
            "bootstrap.servers",
            kafka.bootstrapServers(),
            "transactional.id",
            UUID.randomUUID().toString());
    try (var producer =
        new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
      producer.initTransactions();
      producer.beginTransaction();
      for (int i = 0; i < MESSAGES; i++) {
        ProducerRecord<byte[], byte[]> made =
            rig.recordOf(0, "k" + i, ConsumerRig.newId(), Integer.toString(i));
        producer.send(made);
      }
      producer.commitTransaction();
    }
  }

  private static List<String> command(Path client, PostgresDatabase database, ConsumerRig rig) {
    return ChildProcess.java(
        "-Xmx256m",
        "-cp",
        classPathWith(client),
        ClientVersionChild.class.getName(),
        database.jdbcUrl(),
        database.user(),
        database.password(),
        kafka.bootstrapServers(),
        rig.group(),
        rig.topic());
  }

  /** Ours, with another client in the place of the one that is there. */
  private static String classPathWith(Path client) {
    String given = System.getProperty("java.class.path").replace("\"", "");
    List<String> entries = Arrays.asList(given.split(File.pathSeparator));
    assertThat(entries).filteredOn(KafkaClientVersionsIT::isClient).hasSize(1);
    return entries.stream()
        .map(entry -> isClient(entry) ? client.toAbsolutePath().toString() : entry)
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static boolean isClient(String entry) {
    return Path.of(entry).getFileName().toString().matches("kafka-clients-\\d[\\d.]*\\.jar");
  }

  private static String versionOf(Path client) {
    return client.getFileName().toString().replaceAll("kafka-clients-|\\.jar", "");
  }

  private static String lines(Path output) {
    try {
      return Files.readString(output);
    } catch (IOException e) {
      return e.toString();
    }
  }
}
