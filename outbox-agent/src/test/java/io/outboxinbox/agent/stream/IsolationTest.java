package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.outbox.RawRows;
import io.outboxinbox.agent.source.table.ParkedEvent;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class IsolationTest {
  private final Isolation isolation = new Isolation();

  @Test
  void parksExactlyTheEventsTheBrokerRefusesAndEndsUnlimited() {
    long seed = System.nanoTime();
    System.out.println("IsolationTest seed " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 200; round++) {
      int size = 1 + random.nextInt(3000);
      Set<Integer> bad =
          random.ints(random.nextInt(5), 0, size).boxed().collect(Collectors.toSet());
      Outcome outcome = run(size, bad);
      assertThat(outcome.parked).as("seed %d", seed).containsExactlyInAnyOrderElementsOf(bad);
      assertThat(outcome.published)
          .as("seed %d", seed)
          .containsExactlyElementsOf(
              IntStream.range(0, size).filter(i -> !bad.contains(i)).boxed().toList());
      assertThat(outcome.sessions).isLessThanOrEqualTo(1 + bad.size() * 30);
    }
  }

  @Test
  void needsNoSearchWhenTheBrokerSaysWhich() {
    List<RoutedEvent> batch = events(0, 100);
    isolation.refused(batch, RejectedEvent.known("too large", 58));
    assertThat(isolation.limit()).isGreaterThan(1_000_000);
    batch.subList(0, 57).forEach(event -> isolation.throwIfRefused(event.sequenced()));
    assertThatThrownBy(() -> isolation.throwIfRefused(batch.get(57).sequenced()))
        .hasMessage("event 57: too large");
    isolation.passed(99, List.of(parked(57)));
    isolation.throwIfRefused(batch.get(57).sequenced());
  }

  /** Rows older than the slot all have the seed's position. */
  @Test
  void tellsRowsOfTwoTablesApartThatShareAnId() {
    RoutedEvent bad = event("outbox_event", 7, SourcePosition.atCommit(1));
    RoutedEvent good = event("event", 7, SourcePosition.atCommit(1));
    isolation.refused(List.of(bad, good), RejectedEvent.known("too large", 8));
    isolation.throwIfRefused(good.sequenced());
    isolation.passed(0, List.of(parked(good)));
    assertThatThrownBy(() -> isolation.throwIfRefused(bad.sequenced()))
        .isInstanceOf(RejectedEvent.class);
  }

  @Test
  void remembersEveryEventOfABatchThatWasRefusedInTurn() {
    List<RoutedEvent> batch = events(0, 100);
    isolation.refused(batch, RejectedEvent.known("too large", 58));
    isolation.refused(batch, RejectedEvent.known("too large", 91));
    for (int id : new int[] {57, 90}) {
      assertThatThrownBy(() -> isolation.throwIfRefused(batch.get(id).sequenced()))
          .hasMessage("event " + id + ": too large");
    }
  }

  @Test
  void forgetsWhatItLookedForOnceAllSuspectsHavePassed() {
    isolation.refused(events(0, 8), refusal());
    assertThat(isolation.limit()).isEqualTo(4);
    isolation.passed(4, List.of());
    assertThat(isolation.limit()).isEqualTo(4);
    for (int i = 0; i < 20; i++) {
      isolation.passed(4, List.of());
    }
    assertThat(isolation.isLooking()).isFalse();
  }

  @Test
  void doesNotWaitForAnEventThatNeverComesAgain() {
    isolation.refused(events(0, 1), refusal());
    for (int i = 0; i < 20; i++) {
      isolation.passed(1, List.of());
    }
    assertThat(isolation.isLooking()).isFalse();
  }

  private record Outcome(List<Integer> published, List<Integer> parked, int sessions) {}

  /** Sessions over a log of so many events, against a broker that refuses some. */
  private Outcome run(int size, Set<Integer> bad) {
    Outcome outcome = new Outcome(new ArrayList<>(), new ArrayList<>(), 0);
    int position = 0;
    int sessions = 0;
    while (position < size) {
      sessions++;
      position = session(position, size, bad, outcome);
    }
    // A long run of good events afterwards.
    for (int i = 0; i < 30; i++) {
      isolation.passed(1000, List.of());
    }
    assertThat(isolation.isLooking()).isFalse();
    return new Outcome(outcome.published, outcome.parked, sessions);
  }

  private int session(int from, int size, Set<Integer> bad, Outcome outcome) {
    int position = from;
    while (position < size) {
      List<RoutedEvent> batch = new ArrayList<>();
      List<Integer> parked = new ArrayList<>();
      int at = position;
      for (; at < size && batch.size() + parked.size() < isolation.limit(); at++) {
        RoutedEvent event = event(at);
        try {
          isolation.throwIfRefused(event.sequenced());
          batch.add(event);
        } catch (RejectedEvent e) {
          parked.add(at);
        }
      }
      if (batch.stream().anyMatch(e -> bad.contains(idOf(e)))) {
        isolation.refused(batch, refusal());
        return position;
      }
      batch.forEach(e -> outcome.published.add(idOf(e)));
      outcome.parked.addAll(parked);
      isolation.passed(batch.size(), parked.stream().map(IsolationTest::parked).toList());
      position = at;
    }
    return position;
  }

  private static RejectedEvent refusal() {
    return new RejectedEvent("refused by the broker");
  }

  private static int idOf(RoutedEvent event) {
    return Integer.parseInt(event.sequenced().event().id());
  }

  private static List<RoutedEvent> events(int from, int to) {
    return IntStream.range(from, to).mapToObj(IsolationTest::event).toList();
  }

  private static ParkedEvent parked(int id) {
    return parked(event(id));
  }

  private static ParkedEvent parked(RoutedEvent routed) {
    SequencedEvent event = routed.sequenced();
    return new ParkedEvent(
        RawRows.rowOf(event.event()), "k", "t", "r", false, event.position(), event.committedAt());
  }

  private static RoutedEvent event(int id) {
    return event("outbox_event", id, SourcePosition.atCommit(1 + id));
  }

  private static RoutedEvent event(String table, int id, SourcePosition position) {
    OutboxEvent event =
        new OutboxEvent(
            table,
            String.valueOf(id),
            "order",
            "k",
            "placed",
            null,
            null,
            Map.of(),
            null,
            null,
            Map.of());
    return new RoutedEvent(
        new SequencedEvent(event, position, Instant.EPOCH, 1, id + 1),
        new Destination("t", "k", List.of()));
  }
}
