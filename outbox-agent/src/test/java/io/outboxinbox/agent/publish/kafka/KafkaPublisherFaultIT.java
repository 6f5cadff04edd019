package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.PublisherContract.Received;
import io.outboxinbox.agent.publish.PublisherFaultContract;
import io.outboxinbox.testkit.KafkaBrokerProcess;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

class KafkaPublisherFaultIT extends PublisherFaultContract {
  private static final String TOPIC = "published";

  private KafkaBrokerProcess broker;

  @BeforeEach
  void startBroker() {
    broker = KafkaBrokerProcess.start();
    broker.createTopic(TOPIC, 3, Map.of());
  }

  @AfterEach
  void stopBroker() {
    broker.close();
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
    return new KafkaPublisher(kafka);
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
