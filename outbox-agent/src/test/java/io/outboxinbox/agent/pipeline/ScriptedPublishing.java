package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.Publisher;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A broker that keeps no checkpoint and fails on cue: the first batches are confirmed only in part.
 */
final class ScriptedPublishing implements PublishConfiguration {
  /** Ids in order of arrival, repeats included. */
  final List<String> arrived = Collections.synchronizedList(new ArrayList<>());

  private final AtomicInteger failures;

  ScriptedPublishing(int failures) {
    this.failures = new AtomicInteger(failures);
  }

  @Override
  public Publisher newPublisher() {
    return new ScriptedPublisher();
  }

  @Override
  public List<String> reservedTopics() {
    return List.of();
  }

  @Override
  public List<Finding> preflight(List<String> topics) {
    return List.of();
  }

  private final class ScriptedPublisher implements Publisher {
    @Override
    public boolean keepsCheckpoint() {
      return false;
    }

    @Override
    public Optional<Checkpoint> takeOver(SourceIdentity source) {
      return Optional.empty();
    }

    @Override
    public List<Checkpoint> allCheckpoints() {
      return List.of();
    }

    @Override
    public void check(RoutedEvent event) {}

    @Override
    public List<Receipt> publishBatch(List<RoutedEvent> batch, Checkpoint after) {
      int confirmed =
          failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0
              ? batch.size() / 2
              : batch.size();
      List<Receipt> receipts = new ArrayList<>();
      for (RoutedEvent event : batch.subList(0, confirmed)) {
        arrived.add(event.sequenced().event().id());
        receipts.add(new Receipt(event.sequenced().sequence(), event.sequenced().position()));
      }
      return receipts;
    }

    @Override
    public void forget(SourceIdentity source) {}

    @Override
    public void close() {}
  }
}
