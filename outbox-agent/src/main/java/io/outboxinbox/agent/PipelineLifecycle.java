package io.outboxinbox.agent;

import io.dropwizard.lifecycle.Managed;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Predicate;

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
   * @param stop waits up to the given time; whether it ended
   */
  record Part(String name, Runnable start, Predicate<Duration> stop) {}

  @Override
  public void start() {
    parts.forEach(part -> part.start().run());
  }

  @Override
  public void stop() throws InterruptedException {
    ExecutorService threads = Executors.newFixedThreadPool(Math.max(1, parts.size()));
    List<Future<Boolean>> stopping = new ArrayList<>();
    for (Part part : parts) {
      stopping.add(threads.submit(() -> part.stop().test(STOP_WITHIN)));
    }
    threads.shutdown();
    List<String> unstopped = new ArrayList<>();
    IllegalStateException failure = new IllegalStateException("pipelines did not stop cleanly");
    for (int i = 0; i < parts.size(); i++) {
      try {
        if (!stopping.get(i).get()) {
          unstopped.add(parts.get(i).name());
        }
      } catch (ExecutionException e) {
        unstopped.add(parts.get(i).name());
        failure.addSuppressed(e);
      }
    }
    if (!unstopped.isEmpty()) {
      throw new IllegalStateException(
          "pipelines %s did not stop within %s; the next start sorts out what was under way"
              .formatted(unstopped, STOP_WITHIN),
          failure);
    }
  }
}
