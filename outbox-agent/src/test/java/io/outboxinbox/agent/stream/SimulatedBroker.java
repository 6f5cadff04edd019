package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Positions;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.PublishedSearch;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.Sender;
import io.outboxinbox.agent.publish.SendingPublisher;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A broker and a memory of its checkpoint. Each change of either may be the last of its session.
 */
final class SimulatedBroker implements Sender, Positions {

  /** Whether events and checkpoint are changed together. */
  enum Kind {
    TOGETHER,
    ONE_AFTER_THE_OTHER
  }

  /** In order of arrival, repeats included. */
  final List<RoutedEvent> arrived = new ArrayList<>();

  /** Ids of events it will not take. */
  final Set<String> refused = new HashSet<>();

  Checkpoint checkpoint;
  private final Runnable crashPoint;
  private long refusals;

  SimulatedBroker(Checkpoint seed, Runnable crashPoint) {
    this.checkpoint = seed;
    this.crashPoint = crashPoint;
  }

  Publisher publisher(Kind kind) {
    return kind == Kind.TOGETHER ? new Together() : new SendingPublisher(this, this);
  }

  /** Each once, in the order of the first arrival; repeats must have the number they had. */
  List<RoutedEvent> arrivedOnce() {
    Map<String, RoutedEvent> first = new LinkedHashMap<>();
    for (RoutedEvent event : arrived) {
      String id = event.sequenced().event().id();
      RoutedEvent before = first.putIfAbsent(id, event);
      if (before != null && before.sequenced().sequence() != event.sequenced().sequence()) {
        throw new AssertionError(
            "event %s came as number %d and again as number %d"
                .formatted(id, before.sequenced().sequence(), event.sequenced().sequence()));
      }
    }
    return List.copyOf(first.values());
  }

  @Override
  public List<Receipt> send(List<RoutedEvent> batch) {
    // Three chances whatever its size, or a large batch would never go through.
    int crashBefore = arrived.size() % batch.size();
    crashPoint.run();
    for (RoutedEvent event : batch) {
      if (crashBefore-- == 0) {
        crashPoint.run();
      }
      refuse(event);
      arrived.add(event);
    }
    crashPoint.run();
    return receipts(batch);
  }

  /** Says which one it was every other time. */
  private void refuse(RoutedEvent event) {
    String id = event.sequenced().event().id();
    if (refused.contains(id)) {
      throw ++refusals % 2 == 0
          ? new AgentException.RejectedEvent("the broker refused " + id)
          : AgentException.RejectedEvent.known(
              "the broker refused " + id, event.sequenced().sequence());
    }
  }

  @Override
  public void write(Checkpoint after) {
    checkpoint = after;
    crashPoint.run();
  }

  private static List<Receipt> receipts(List<RoutedEvent> batch) {
    return batch.stream()
        .map(e -> new Receipt(e.sequenced().sequence(), e.sequenced().position()))
        .toList();
  }

  /** A crash behind the change is a commit whose outcome the agent never learns. */
  private final class Together implements Publisher {
    @Override
    public boolean mayRepeat() {
      return false;
    }

    @Override
    public List<Receipt> publishBatch(List<RoutedEvent> batch, Checkpoint after) {
      crashPoint.run();
      batch.forEach(SimulatedBroker.this::refuse);
      arrived.addAll(batch);
      checkpoint = after;
      crashPoint.run();
      return receipts(batch);
    }

    @Override
    public Optional<Checkpoint> takeOver(SourceIdentity source) {
      return SimulatedBroker.this.takeOver(source);
    }

    @Override
    public List<Checkpoint> allCheckpoints() {
      return SimulatedBroker.this.allCheckpoints();
    }

    @Override
    public void check(RoutedEvent event) {}

    @Override
    public void forget(SourceIdentity source) {}

    @Override
    public void close() {}
  }

  @Override
  public Optional<Checkpoint> takeOver(SourceIdentity source) {
    return Optional.of(checkpoint);
  }

  @Override
  public List<Checkpoint> allCheckpoints() {
    return List.of(checkpoint);
  }

  @Override
  public void check(RoutedEvent event) {}

  @Override
  public Duration patience() {
    return Duration.ofDays(1);
  }

  @Override
  public Optional<String> cluster() {
    return Optional.empty();
  }

  @Override
  public Optional<PublishedSearch> search(Publisher.SearchScope scope) {
    return Optional.empty();
  }

  @Override
  public void forget(SourceIdentity source) {}

  @Override
  public void close() {}
}
