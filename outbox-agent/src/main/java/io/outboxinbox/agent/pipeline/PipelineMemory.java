package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.source.inspect.Findings;
import io.outboxinbox.agent.stream.StreamMemory;

/** What a pipeline remembers from one session to the next; of no use to another process. */
record PipelineMemory(StreamMemory stream, Findings findings) {

  static PipelineMemory of(PipelineConfiguration pipeline) {
    return new PipelineMemory(
        StreamMemory.of(pipeline.parking().perMinute()), new Findings(pipeline.name()));
  }
}
