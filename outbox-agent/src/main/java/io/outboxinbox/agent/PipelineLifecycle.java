package io.outboxinbox.agent;

import io.dropwizard.lifecycle.Managed;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/**
 * Starts the pipelines with the server and stops them with it, all at once, so that many take no
 * longer than the slowest.
 */
final class PipelineLifecycle implements Managed {
  /** Orchestrators usually kill after 30 s; what is left is for the web server to end. */
  private static final Duration STOP_WITHIN = Duration.ofSeconds(20);

  private final List<Part> parts;

  PipelineLifecycle(List<Part> parts) {
    this.parts = List.copyOf(parts);
  }

  /**
   * What starts and stops together.
   *
   * @param start returns at once; failures are the pipeline's to handle
   * @param stop waits up to the given time
   */
  record Part(String name, Runnable start, Consumer<Duration> stop) {}

  @Override
  public void start() {
    parts.forEach(part -> part.start().run());
  }

  @Override
  public void stop() throws InterruptedException {
    ExecutorService threads = Executors.newFixedThreadPool(Math.max(1, parts.size()));
    List<Future<?>> stopping = new ArrayList<>();
    for (Part part : parts) {
      stopping.add(threads.submit(() -> part.stop().accept(STOP_WITHIN)));
    }
    threads.shutdown();
    IllegalStateException failures = new IllegalStateException("pipelines did not stop cleanly");
    for (Future<?> each : stopping) {
      try {
        each.get();
      } catch (ExecutionException | CompletionException e) {
        failures.addSuppressed(e.getCause() == null ? e : e.getCause());
      }
    }
    if (failures.getSuppressed().length > 0) {
      throw failures;
    }
  }
}
