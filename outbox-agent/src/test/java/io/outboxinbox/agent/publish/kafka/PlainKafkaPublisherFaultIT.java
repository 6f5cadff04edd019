package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.PublisherContract.Received;
import io.outboxinbox.agent.publish.PublisherFaultContract;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.table.TablePositions;
import io.outboxinbox.testkit.KafkaBrokerProcess;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Without transactions, the positions in a table. */
class PlainKafkaPublisherFaultIT extends PublisherFaultContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private static final String TOPIC = "published";

  private KafkaBrokerProcess broker;
  private Connection session;

  @BeforeEach
  void startBroker() throws SQLException {
    broker = KafkaBrokerProcess.start();
    broker.createTopic(TOPIC, 3, Map.of());
    PostgresDatabase database = postgres.newDatabase();
    database.runScript("schema/postgresql/04_agent.sql");
    session = database.connect();
  }

  @AfterEach
  void stopBroker() throws SQLException {
    broker.close();
    session.close();
  }

  @Override
  protected Publisher newPublisher() {
    KafkaConfiguration kafka =
        new KafkaConfiguration(
            broker.bootstrapServers(),
            "outbox-agent-positions",
            (short) 1,
            Duration.ofSeconds(6),
            Map.of());
    return new PlainKafka(kafka).newPublisher(new TablePositions(session, Sources.standard()));
  }

  @Override
  protected String topic() {
    return TOPIC;
  }

  @Override
  protected List<Received> received() {
    return KafkaMessages.of(broker.bootstrapServers(), TOPIC);
  }

  @Override
  protected void kill() {
    broker.kill();
  }

  @Override
  protected void startAgain() {
    broker.startAgain();
  }
}
