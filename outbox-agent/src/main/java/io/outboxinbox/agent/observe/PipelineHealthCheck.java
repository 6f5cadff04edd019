package io.outboxinbox.agent.observe;

import com.codahale.metrics.health.HealthCheck;
import java.time.Clock;

/** Healthy when the pipeline publishes, or stands by to. */
final class PipelineHealthCheck extends HealthCheck {
  private final ObservedPipeline pipeline;
  private final Clock clock;

  PipelineHealthCheck(ObservedPipeline pipeline, Clock clock) {
    this.pipeline = pipeline;
    this.clock = clock;
  }

  @Override
  protected Result check() {
    ObservedPipeline.Seen seen = pipeline.look(clock.instant());
    StringBuilder message =
        new StringBuilder(seen.isReady() ? seen.status().state().name() : seen.problem());
    seen.warnings().forEach(warning -> message.append("; warning: ").append(warning));
    return seen.isReady()
        ? Result.builder().healthy().withMessage(message.toString()).build()
        : Result.builder().unhealthy().withMessage(message.toString()).build();
  }
}
