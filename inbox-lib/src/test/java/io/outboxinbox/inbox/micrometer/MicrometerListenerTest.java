package io.outboxinbox.inbox.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.outboxinbox.inbox.kafka.ConsumerState;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class MicrometerListenerTest {
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  private final MicrometerListener listener = new MicrometerListener(registry, "inventory");

  private double messages(String outcome) {
    return registry
        .get("inbox.messages")
        .tags("consumer", "inventory", "topic", "orders", "outcome", outcome)
        .counter()
        .count();
  }

  @Test
  void countsMessagesByOutcome() {
    listener.handled("orders", 3, Duration.ofMillis(20));
    listener.handled("orders", 2, Duration.ofMillis(30));
    listener.duplicates("orders", 4);
    listener.tooOld("orders", 1);
    listener.deadLettered("orders", 0, "java.lang.IllegalStateException");
    listener.deadLettersKept(6);
    listener.queuedBehind("orders", 2);
    listener.retried("orders", 0, 1, new IllegalStateException());
    assertThat(messages("handled")).isEqualTo(5);
    assertThat(messages("duplicate")).isEqualTo(4);
    assertThat(messages("too_old")).isEqualTo(1);
    assertThat(messages("dead_letter")).isEqualTo(1);
    assertThat(messages("queued")).isEqualTo(2);
    assertThat(registry.get("inbox.dead_letters").gauge().value()).isEqualTo(6);
    assertThat(registry.get("inbox.retries").counter().count()).isEqualTo(1);
    assertThat(registry.get("inbox.transactions").timer().totalTime(TimeUnit.MILLISECONDS))
        .isEqualTo(50);
  }

  @Test
  void showsLagOnlyOfPartitionsItOwns() {
    listener.lag("orders", 1, 7);
    listener.lag("orders", 1, 9);
    assertThat(registry.get("inbox.lag").tag("partition", "1").gauge().value()).isEqualTo(9);
    listener.released("orders", 1);
    assertThat(registry.find("inbox.lag").gauge()).isNull();
    listener.lag("orders", 1, 2);
    assertThat(registry.get("inbox.lag").gauge().value()).isEqualTo(2);
  }

  @Test
  void showsWhichStateItIsIn() {
    listener.stateChanged(ConsumerState.RUNNING, ConsumerState.STOPPED, "poison");
    assertThat(registry.get("inbox.state").tag("state", "stopped").gauge().value()).isEqualTo(1);
    assertThat(registry.get("inbox.state").tag("state", "running").gauge().value()).isZero();
  }
}
