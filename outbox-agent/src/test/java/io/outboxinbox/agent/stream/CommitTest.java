package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.park.FloodBreaker;
import io.outboxinbox.agent.park.ParkingLot;
import io.outboxinbox.agent.publish.Events;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.source.table.ParkedEvent;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The order of one step: whatever comes later rests on what comes before it. */
class CommitTest {
  private static final SourceIdentity SOURCE = new SourceIdentity("1", "db", "publication");
  private static final Checkpoint BEFORE = Events.checkpoint(SOURCE, 0);
  private static final List<RoutedEvent> EVENTS =
      List.of(Events.event("t", 1, "a", null), Events.event("t", 2, "b", null));

  private final List<String> order = new ArrayList<>();
  private final MemoryParkedEvents table = new MemoryParkedEvents(() -> order.add("table"));

  /** A broker that confirms so many events of a batch, or refuses it. */
  private final class Broker implements Publisher {
    private final int confirmed;
    private final AgentException.RejectedEvent refusal;

    Broker(int confirmed, AgentException.RejectedEvent refusal) {
      this.confirmed = confirmed;
      this.refusal = refusal;
    }

    @Override
    public boolean mayRepeat() {
      return true;
    }

    @Override
    public void check(RoutedEvent event) {}

    @Override
    public List<Receipt> publishBatch(List<RoutedEvent> batch, Checkpoint after) {
      order.add("broker");
      if (refusal != null) {
        throw refusal;
      }
      return batch.stream()
          .limit(confirmed)
          .map(e -> new Receipt(e.sequenced().sequence(), e.sequenced().position()))
          .toList();
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
    public void forget(SourceIdentity source) {}

    @Override
    public void close() {}
  }

  private Commit commit(Broker broker) {
    return new Commit(
        broker,
        new ParkingLot(table, ParkingProperties.UNSEEN, Clock.systemUTC()),
        new StreamMemory(
            new FloodBreaker(1, System::nanoTime),
            new Isolation(),
            new BatchSize(System::nanoTime)),
        position -> order.add("log"));
  }

  private static ParkedEvent parked() {
    return new ParkedEvent(
        new RawRow(
            "outbox_event",
            "3",
            "order",
            "c",
            "placed",
            null,
            null,
            null,
            null,
            Instant.EPOCH,
            Map.of()),
        "c",
        "t",
        "refused",
        false,
        SourcePosition.atCommit(1003),
        Instant.EPOCH);
  }

  private static Commit.Step step(ParkedEvent... parked) {
    return new Commit.Step(EVENTS, List.of(parked), Events.checkpoint(SOURCE, 2));
  }

  @Test
  void writesDownThenPublishesThenTellsTheLog() throws SQLException {
    Checkpoint after = commit(new Broker(2, null)).run(step(parked()), BEFORE, refusal -> {});
    assertThat(order).containsSubsequence("table", "broker", "log");
    assertThat(order.subList(0, order.indexOf("broker"))).containsOnly("table");
    assertThat(order.subList(0, order.indexOf("log"))).containsOnlyOnce("broker");
    assertThat(after.parking().lastOrdinal()).isEqualTo(1);
    assertThat(after.sequence()).isEqualTo(2);
  }

  @Test
  void movesNothingBeforeEachEventHasAReceipt() {
    for (int confirmed = 0; confirmed < EVENTS.size(); confirmed++) {
      order.clear();
      Commit commit = commit(new Broker(confirmed, null));
      assertThatThrownBy(() -> commit.run(step(), BEFORE, refusal -> {}))
          .isInstanceOf(AgentException.Retryable.class)
          .hasMessage("the broker confirmed only %d of 2 events", confirmed);
      assertThat(order).containsExactly("broker");
    }
  }

  @Test
  void remembersWhatIsKnownOfARefusedEventAndMovesNothing() {
    List<Long> noted = new ArrayList<>();
    AgentException.RejectedEvent refusal = AgentException.RejectedEvent.known("too large", 2);
    Commit commit = commit(new Broker(0, refusal));
    assertThatThrownBy(() -> commit.run(step(), BEFORE, found -> noted.add(found.sequence())))
        .isInstanceOf(AgentException.Retryable.class)
        .hasMessageContaining("refused one of 2 events");
    assertThat(noted).containsExactly(2L);
    assertThat(order).containsExactly("broker");
  }
}
