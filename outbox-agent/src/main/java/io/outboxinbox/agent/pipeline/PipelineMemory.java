package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.park.FloodBreaker;

/** What a pipeline remembers from one session to the next; of no use to another process. */
record PipelineMemory(
    FloodBreaker breaker, Isolation isolation, BatchSize size, Findings findings) {

  static PipelineMemory of(PipelineConfiguration pipeline) {
    return new PipelineMemory(
        new FloodBreaker(pipeline.parking().perMinute(), System::nanoTime),
        new Isolation(),
        new BatchSize(System::nanoTime),
        new Findings(pipeline.name()));
  }

  void beginSession() {
    breaker.beginSession();
  }
}
