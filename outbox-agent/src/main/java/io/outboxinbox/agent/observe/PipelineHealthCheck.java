package io.outboxinbox.agent.observe;

import com.codahale.metrics.health.HealthCheck;
import io.outboxinbox.agent.pipeline.PipelineStatus;
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
    PipelineStatus status = pipeline.status();
    String problem = pipeline.problem(status, clock.instant());
    return problem.isEmpty()
        ? Result.builder().healthy().withMessage(status.state().name()).build()
        : Result.builder().unhealthy().withMessage(problem).build();
  }
}
