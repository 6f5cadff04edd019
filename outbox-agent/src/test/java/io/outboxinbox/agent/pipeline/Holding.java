package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Checkpoint;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** Holds a pipeline's thread right after a checkpoint has become durable, until it is let go. */
public final class Holding {
  private final Predicate<Checkpoint> where;
  private final CountDownLatch reached = new CountDownLatch(1);
  private final CountDownLatch released = new CountDownLatch(1);

  public Holding(Predicate<Checkpoint> where) {
    this.where = where;
  }

  public PipelineConfiguration in(PipelineConfiguration pipeline) {
    return CrashingPublishing.pausing(pipeline.publish(), this::pause).in(pipeline);
  }

  private void pause(Checkpoint durable) {
    if (where.test(durable)) {
      reached.countDown();
      try {
        released.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  public void awaitReached() throws InterruptedException {
    if (!reached.await(90, TimeUnit.SECONDS)) {
      throw new AssertionError("the pipeline did not come to where it was to be held");
    }
  }

  public void release() {
    released.countDown();
  }
}
