package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.pipeline.CrashingPublishing.Crash;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** An error of the virtual machine or of the program never ends a pipeline in silence. */
class PipelineErrorIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private Pipeline failing(Error error, AtomicInteger left) throws Exception {
    PipelineConfiguration usual = rig.configuration("");
    CrashingPublishing broker =
        new CrashingPublishing(
            usual.publish(),
            (batch, after) -> {
              if (!batch.isEmpty() && left.getAndDecrement() > 0) {
                throw error;
              }
              return Crash.NONE;
            });
    return rig.start(broker.in(usual));
  }

  private static void awaitStatus(Pipeline pipeline, State state, String reason) {
    await()
        // The error that ends the pipeline's thread is what is looked at.
        .dontCatchUncaughtExceptions()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () -> {
              assertThat(pipeline.status().state())
                  .as(pipeline.status().toString())
                  .isEqualTo(state);
              assertThat(pipeline.status().reason()).contains(reason);
            });
  }

  @Test
  void saysWhichErrorEndedThePipelineAndThatItNeedsANewProcess() throws Exception {
    Pipeline pipeline =
        failing(new NoClassDefFoundError("org/example/Missing"), new AtomicInteger(1));
    rig.insert(0, 3);
    awaitStatus(pipeline, State.CRASHED, "NoClassDefFoundError: org/example/Missing; fix: ");
    assertThat(pipeline.status().state().needsNewProcess()).isTrue();
    Pipeline next = rig.start("");
    rig.awaitEvents(3);
    rig.awaitLeading(next);
    rig.assertThatEventsAreExactly(3);
  }

  @Test
  void showsAFullHeapAsAStateOfItsOwnAndGoesOnWhenThereIsRoom() throws Exception {
    AtomicInteger left = new AtomicInteger(Integer.MAX_VALUE);
    Pipeline pipeline = failing(new OutOfMemoryError("Java heap space"), left);
    rig.insert(0, 3);
    awaitStatus(pipeline, State.OUT_OF_MEMORY, "was exhausted");
    assertThat(pipeline.status().reason()).contains("fix: ").contains("-Xmx");
    left.set(0);
    rig.awaitEvents(3);
    rig.awaitLeading(pipeline);
    rig.assertThatEventsAreExactly(3);
  }
}
