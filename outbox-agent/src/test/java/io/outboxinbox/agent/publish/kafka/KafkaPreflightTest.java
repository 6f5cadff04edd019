package io.outboxinbox.agent.publish.kafka;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.testkit.FreePorts;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class KafkaPreflightTest {

  /** Else the state would tell people to mend a configuration that is right. */
  @Test
  void takesABrokerThatIsAwayForWhatPassesByItself() {
    int port = FreePorts.pick();
    KafkaConfiguration away =
        new KafkaConfiguration(
            "127.0.0.1:" + port, "positions", (short) 1, Duration.ofSeconds(15), Map.of());
    assertThatThrownBy(() -> KafkaPreflight.check(away, List.of("orders")))
        .isInstanceOf(AgentException.Retryable.class)
        .hasMessageContaining("kafka");
  }
}
