package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.PublisherContract;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.table.TablePositions;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The same of a broker that keeps no position, with a table that does. */
class PlainKafkaPublisherIT extends PublisherContract {
  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private final String topic = kafka.newTopic("published", 3);
  private final PostgresDatabase database = database();
  private final List<Connection> sessions = new ArrayList<>();

  private static PostgresDatabase database() {
    try {
      PostgresDatabase made = postgres.newDatabase();
      made.runScript("schema/postgresql/04_agent.sql");
      return made;
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  @AfterEach
  void closeSessions() throws SQLException {
    for (Connection session : sessions) {
      session.close();
    }
  }

  @Override
  protected Publisher newPublisher() {
    try {
      Connection session = database.connect();
      sessions.add(session);
      return new PlainKafka(
              new KafkaConfiguration(
                  kafka.bootstrapServers(),
                  "outbox-agent-positions",
                  (short) 1,
                  Duration.ofSeconds(10),
                  Map.of()))
          .newPublisher(new TablePositions(session, Sources.standard()));
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  protected String topic() {
    return topic;
  }

  @Override
  protected List<Received> received() {
    return KafkaMessages.of(kafka.bootstrapServers(), topic);
  }
}
