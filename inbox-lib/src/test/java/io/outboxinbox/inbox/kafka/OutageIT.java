package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The database and the broker go away under a running consumer, and come back. */
class OutageIT {
  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void goesOnWhereItWasWhenTheDatabaseIsBack(boolean isKilled) throws Exception {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17);
        ConsumerRig rig = rigOn(server, kafka.bootstrapServers(), kafka.newTopic("outage", 3))) {
      InboxConsumer consumer =
          rig.start(rig.builder().offsetsInDatabase(true).batchMax(isKilled ? 1 : 10));
      rig.sendMany(3_000, 30);
      eventually().until(() -> rig.effects() > 50);
      if (isKilled) {
        server.killPostmaster();
      } else {
        server.stop();
      }
      // More than can be buffered comes meanwhile.
      rig.sendMany(500, 30);
      eventually().until(() -> consumer.state() == ConsumerState.WAITING_FOR_DATABASE);
      assertThat(consumer.reason()).contains(rig.topic());
      server.startAgain();
      eventually().ignoreExceptions().until(() -> rig.effects() == 3_500);
      eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
      assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(3_500);
      assertThat(rig.deadLetters()).isEmpty();
      assertThat(rig.textsOf("k7").subList(0, 100).stream().map(Integer::valueOf)).isSorted();
      assertThat(rig.textsOf("k7").subList(100, 116).stream().map(Integer::valueOf)).isSorted();
    }
  }

  @Test
  void startsWhileTheDatabaseIsAway() throws Exception {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17);
        ConsumerRig rig = rigOn(server, kafka.bootstrapServers(), kafka.newTopic("away", 1))) {
      rig.sendMany(10, 3);
      server.stop();
      InboxConsumer consumer = rig.start(rig.builder());
      eventually().until(() -> consumer.state() == ConsumerState.WAITING_FOR_DATABASE);
      server.startAgain();
      eventually().ignoreExceptions().until(() -> rig.effects() == 10);
      eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
    }
  }

  @Test
  void goesOnWhenTheBrokerIsBack() throws Exception {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17);
        KafkaBroker broker = KafkaBroker.start()) {
      broker.createTopic("orders", 2, Map.of());
      try (ConsumerRig rig = rigOn(server, broker.bootstrapServers(), "orders")) {
        InboxConsumer consumer = rig.start(rig.builder());
        rig.sendMany(100, 5);
        eventually().until(() -> rig.effects() == 100);
        broker.stop();
        broker.startAgain();
        rig.sendMany(100, 5);
        eventually().until(() -> rig.effects() == 200);
        assertThat(consumer.state()).isEqualTo(ConsumerState.RUNNING);
      }
    }
  }

  private static ConsumerRig rigOn(PostgresServer server, String bootstrapServers, String topic)
      throws Exception {
    String database = server.createDatabase("outage");
    try (Connection connection = server.connect(database);
        Statement statement = connection.createStatement();
        var schema =
            OutageIT.class.getClassLoader().getResourceAsStream("schema/postgresql/10_inbox.sql")) {
      statement.execute(new String(schema.readAllBytes(), StandardCharsets.UTF_8));
      for (String sql : List.of(ConsumerRig.createEffects())) {
        statement.execute(sql);
      }
    }
    return new ConsumerRig(
        server.jdbcUrl(database),
        server.superuser(),
        server.superuserPassword(),
        bootstrapServers,
        topic);
  }
}
