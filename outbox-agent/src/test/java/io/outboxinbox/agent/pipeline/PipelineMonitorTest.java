package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.publish.Events;
import java.time.Clock;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class PipelineMonitorTest {
  private static final String TIMEOUT = "publishing 1 events failed: Timeout";

  private final PipelineMonitor monitor = new PipelineMonitor("orders", Clock.systemUTC());

  @Test
  void keepsSayingWhyWhileEachLeadEndsBeforeItCameToAnything() {
    leadAndFail();
    monitor.lead();
    assertThat(monitor.status().reason()).as("once may be chance").isEmpty();
    monitor.enter(State.WAITING_FOR_BROKER, TIMEOUT, Duration.ZERO);
    monitor.lead();
    assertThat(monitor.status().state()).isEqualTo(State.LEADING);
    assertThat(monitor.status().reason())
        .isEqualTo("it has led 2 times in a row without any progress, each time until: " + TIMEOUT);
    publish(0);
    assertThat(monitor.status().reason()).as("a position alone is progress").isEmpty();
    leadAndFail();
    monitor.lead();
    assertThat(monitor.status().reason()).isEmpty();
  }

  @Test
  void knowsWhetherItReadsOrIsAboutTo() {
    assertThat(monitor.isReading()).as("it may wait for the lock for ever").isFalse();
    monitor.leads("relay/1");
    assertThat(monitor.isReading()).as("its first start").isTrue();
    monitor.enter(State.WAITING_FOR_BROKER, TIMEOUT, Duration.ZERO);
    assertThat(monitor.isReading()).isFalse();
    monitor.ledBy("other/1");
    monitor.enter(State.STANDBY, "");
    monitor.leads("relay/1");
    monitor.enter(State.STARTING, "");
    assertThat(monitor.isReading()).as("it may wait for the broker again").isFalse();
    monitor.aboutToRead();
    assertThat(monitor.isReading()).as("the broker has let it in").isTrue();
    monitor.lead();
    assertThat(monitor.isReading()).isTrue();
    monitor.enter(State.PAUSED, "by an operator");
    assertThat(monitor.isReading()).isFalse();
    monitor.lead();
    monitor.ledBy("");
    monitor.enter(State.STANDBY, "");
    monitor.enter(State.STARTING, "");
    assertThat(monitor.isReading()).as("another may lead").isFalse();
    monitor.leads("relay/1");
    assertThat(monitor.isReading()).as("all was well").isTrue();
  }

  @Test
  void knowsItsOwnLastSignOfLife() {
    assertThat(monitor.hasPulsed("s", -1)).as("nobody ever pulsed").isFalse();
    assertThat(monitor.hasPulsed("s", 0)).isFalse();
    monitor.gavePulse("s", 7);
    monitor.gavePulse("s", 8);
    assertThat(monitor.hasPulsed("s", 8)).isTrue();
    assertThat(monitor.hasPulsed("s", 9)).as("a namesake's").isFalse();
    assertThat(monitor.hasPulsed("s", 8)).isTrue();
    assertThat(monitor.hasPulsed("moved", 8)).as("another source's").isFalse();
  }

  /** Such as in a cluster that was rebuilt: another leads, and comes to the same numbers. */
  @Test
  void takesNoSignOfLifeForItsOwnOnceTheirCountBeganAnew() {
    for (long number = 1; number <= 1000; number++) {
      monitor.gavePulse("s", number);
    }
    for (long number = 5; number <= 1005; number += 5) {
      assertThat(monitor.hasPulsed("s", number)).as("number %d", number).isFalse();
    }
    monitor.gavePulse("s", 1010);
    assertThat(monitor.hasPulsed("s", 1010)).isTrue();
  }

  private void leadAndFail() {
    monitor.lead();
    monitor.enter(State.WAITING_FOR_BROKER, TIMEOUT, Duration.ZERO);
  }

  private void publish(int events) {
    monitor.published(events, Events.checkpoint(new SourceIdentity("7", "shop", "p"), 1));
  }
}
