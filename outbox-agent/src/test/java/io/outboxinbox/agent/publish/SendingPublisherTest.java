package io.outboxinbox.agent.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Positions;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Nothing is remembered as published that the broker has not confirmed. */
class SendingPublisherTest {
  private static final SourceIdentity SOURCE = new SourceIdentity("1", "db", "publication");
  private static final Checkpoint AFTER = Events.checkpoint(SOURCE, 2);
  private static final List<RoutedEvent> BATCH =
      List.of(Events.event("t", 1, "a", null), Events.event("t", 2, "b", null));

  private final List<String> order = new ArrayList<>();

  private Publisher publisher(Function<List<RoutedEvent>, List<Receipt>> broker) {
    return new SendingPublisher(new ScriptedSender(broker), new Remembering());
  }

  @Test
  void remembersNothingBeforeEachEventIsConfirmed() {
    List<Receipt> receipts = publisher(this::confirm).publishBatch(BATCH, AFTER);
    assertThat(receipts).hasSize(2);
    assertThat(order).containsExactly("sent 2", "remembered 2");
  }

  @Test
  void remembersNothingOfABatchThatIsConfirmedInPart() {
    Publisher partly = publisher(batch -> confirm(batch.subList(0, 1)));
    assertThatThrownBy(() -> partly.publishBatch(BATCH, AFTER))
        .isInstanceOf(AgentException.Retryable.class)
        .hasMessage("the broker confirmed only 1 of 2 events");
    assertThat(order).containsExactly("sent 1");
  }

  @Test
  void countsNoReceiptTwice() {
    Publisher twice =
        publisher(batch -> List.of(confirm(batch).get(0), confirm(batch.subList(0, 1)).get(0)));
    assertThatThrownBy(() -> twice.publishBatch(BATCH, AFTER))
        .isInstanceOf(AgentException.Retryable.class)
        .hasMessage("the broker confirmed only 1 of 2 events");
    assertThat(order).doesNotContain("remembered 2");
  }

  @Test
  void remembersNothingOfABatchThatFailed() {
    AgentException failure = AgentException.RejectedEvent.known("refused", 1);
    Publisher failing =
        publisher(
            batch -> {
              throw failure;
            });
    assertThatThrownBy(() -> failing.publishBatch(BATCH, AFTER)).isSameAs(failure);
    assertThat(order).isEmpty();
  }

  @Test
  void sendsNothingWhereOnlyThePositionMoves() {
    publisher(this::confirm).write(AFTER);
    assertThat(order).containsExactly("remembered 2");
  }

  private List<Receipt> confirm(List<RoutedEvent> batch) {
    order.add("sent " + batch.size());
    return batch.stream()
        .map(e -> new Receipt(e.sequenced().sequence(), e.sequenced().position()))
        .toList();
  }

  private record ScriptedSender(Function<List<RoutedEvent>, List<Receipt>> broker)
      implements Sender {
    @Override
    public void check(RoutedEvent event) {}

    @Override
    public List<Receipt> send(List<RoutedEvent> batch) {
      return broker.apply(batch);
    }

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
    public void close() {}
  }

  private final class Remembering implements Positions {
    @Override
    public Optional<Checkpoint> takeOver(SourceIdentity source) {
      return Optional.empty();
    }

    @Override
    public List<Checkpoint> allCheckpoints() {
      return List.of();
    }

    @Override
    public void write(Checkpoint checkpoint) {
      order.add("remembered " + checkpoint.sequence());
    }

    @Override
    public void forget(SourceIdentity source) {}
  }
}
