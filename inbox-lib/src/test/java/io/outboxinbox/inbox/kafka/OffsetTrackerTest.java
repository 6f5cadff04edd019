package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.Envelope;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class OffsetTrackerTest {
  private final OffsetTracker tracker = new OffsetTracker();

  private static Delivery at(long offset) {
    return new Delivery(
        new Envelope("orders", 0, offset, null, null, Instant.EPOCH, List.of()), true, 0);
  }

  @Test
  void knowsNothingBeforeTheFirstMessage() {
    assertThat(tracker.next()).isEmpty();
    assertThat(tracker.position()).isEqualTo(-1);
  }

  @Test
  void staysBeforeTheLowestOffsetThatIsNotDone() {
    List<Delivery> all = List.of(at(5), at(6), at(9));
    tracker.add(all, 11);
    tracker.done(all.subList(1, 3));
    assertThat(tracker.next()).hasValue(5);
    assertThat(tracker.openCount()).isEqualTo(1);
    tracker.done(all.subList(0, 1));
    // Behind markers of transactions, which nobody delivers.
    assertThat(tracker.next()).hasValue(11);
    assertThat(tracker.openCount()).isZero();
  }

  @Test
  void saysWhereItWouldBeIfSomeWereDoneAsWell() {
    List<Delivery> all = List.of(at(0), at(1), at(2), at(3));
    tracker.add(all, 4);
    tracker.done(all.subList(1, 2));
    assertThat(tracker.nextWith(all.subList(0, 1))).isEqualTo(2);
    assertThat(tracker.nextWith(all.subList(2, 4))).isEqualTo(0);
    assertThat(tracker.nextWith(List.of(all.get(0), all.get(2), all.get(3)))).isEqualTo(4);
    assertThat(tracker.next()).hasValue(0);
  }

  @Test
  void neverGoesBackHoweverMessagesAreDone() {
    long seed = Long.getLong("seed", System.nanoTime());
    Random random = new Random(seed);
    List<Delivery> all = new ArrayList<>();
    for (long offset = 0; offset < 1_000; offset += 1 + random.nextInt(3)) {
      all.add(at(offset));
    }
    tracker.add(all, 1_003);
    List<Delivery> order = new ArrayList<>(all);
    Collections.shuffle(order, random);
    long last = 0;
    for (Delivery delivery : order) {
      tracker.done(List.of(delivery));
      long next = tracker.next().orElseThrow();
      long lowest =
          all.stream().filter(one -> !one.isDone).mapToLong(Delivery::offset).min().orElse(1_003);
      assertThat(next).as("seed " + seed).isEqualTo(lowest).isGreaterThanOrEqualTo(last);
      last = next;
    }
  }
}
