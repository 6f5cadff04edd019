package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WorkersTest {
  private final Troubles troubles = new Troubles("inventory", ConsumerListener.none());
  private final Workers workers = new Workers("inventory", 1, troubles);

  @AfterEach
  void tearDown() {
    workers.close(Duration.ZERO);
  }

  @Test
  void showsAnErrorThatEscapedFromATaskUntilTheTaskSucceeds() {
    troubles.begin(ConsumerState.RUNNING);
    AtomicInteger runs = new AtomicInteger();
    AtomicBoolean isBroken = new AtomicBoolean(true);
    workers.runAfter(
        Duration.ZERO,
        () -> {
          runs.incrementAndGet();
          if (isBroken.get()) {
            throw new NoSuchMethodError("on purpose");
          }
        });
    eventually().until(() -> troubles.state() == ConsumerState.MISCONFIGURED);
    assertThat(troubles.reason()).contains("NoSuchMethodError: on purpose");
    assertThat(troubles.lastFailure()).containsInstanceOf(NoSuchMethodError.class);
    eventually().until(() -> runs.get() > 1);
    assertThat(troubles.state()).isEqualTo(ConsumerState.MISCONFIGURED);
    isBroken.set(false);
    eventually().until(() -> troubles.state() == ConsumerState.RUNNING);
  }
}
