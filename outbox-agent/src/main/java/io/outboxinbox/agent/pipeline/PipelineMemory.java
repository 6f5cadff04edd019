package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.park.FloodBreaker;

/** What a pipeline remembers from one session to the next; of no use to another process. */
record PipelineMemory(
    FloodBreaker breaker, Isolation isolation, BatchSize size, Findings findings) {

  static PipelineMemory of(PipelineConfiguration.ParkingConfiguration parking) {
    return new PipelineMemory(
        new FloodBreaker(parking.perMinute(), System::nanoTime),
        new Isolation(),
        new BatchSize(System::nanoTime),
        new Findings());
  }

  void beginSession() {
    breaker.beginSession();
  }
}
