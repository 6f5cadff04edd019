package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BatchSizeTest {
  private static final Duration PATIENCE = Duration.ofSeconds(15);
  private static final List<RoutedEvent> MEGABYTE = events(100, 10_000);
  private static final List<RoutedEvent> SMALL = events(10, 100);

  private long nanos;
  private final BatchSize size = new BatchSize(() -> nanos);

  @Test
  void triesAgainUnchangedOnceBecauseABrokerThatGoesAwayLooksTheSame() {
    timesOut(MEGABYTE);
    assertThat(size.bytes()).isGreaterThan(1L << 40);
    takes(MEGABYTE, 1);
    timesOut(MEGABYTE);
    assertThat(size.bytes()).isGreaterThan(1L << 40);
  }

  @Test
  void splitsNothingForABrokerThatWasAwayForAMoment() {
    for (int i = 0; i < 10; i++) {
      takes(MEGABYTE, 10);
      takes(SMALL, 1);
    }
    assertThat(size.bytes()).isGreaterThan(1L << 40);
  }

  @Test
  void halvesWhatTimesOutTwiceUntilItGoes() {
    timesOut(MEGABYTE);
    timesOut(MEGABYTE);
    assertThat(size.bytes()).isBetween(500_000L, 520_000L);
    timesOut(events(50, 10_000));
    assertThat(size.bytes()).isBetween(250_000L, 260_000L);
  }

  @Test
  void keepsSmallTransactionsWholeWhileABrokerTakesNothing() {
    for (int i = 0; i < 10; i++) {
      timesOut(SMALL);
    }
    assertThat(size.bytes()).isGreaterThan(1L << 40);
  }

  @Test
  void doesNotCountFailuresThatComeAtOnce() {
    for (int i = 0; i < 10; i++) {
      fails(MEGABYTE, 1);
    }
    assertThat(size.bytes()).isGreaterThan(1L << 40);
  }

  @Test
  void halvesBeforeTheTimeIsOverAndGrowsAgainOnceThereIsRoom() {
    takes(MEGABYTE, 8);
    takes(MEGABYTE, 8);
    assertThat(size.bytes()).isBetween(500_000L, 520_000L);
    takes(SMALL, 1);
    assertThat(size.bytes()).as("after a batch that says nothing").isLessThan(520_000L);
    takes(events(50, 10_000), 5);
    assertThat(size.bytes()).as("after one that took its time").isLessThan(520_000L);
    for (int i = 0; i < 3; i++) {
      takes(events(50, 10_000), 2);
    }
    assertThat(size.bytes()).as("after too few quick ones").isLessThan(520_000L);
    takes(events(50, 10_000), 2);
    assertThat(size.bytes()).isGreaterThan(1_000_000L);
    timesOut(events(100, 10_000));
    assertThat(size.bytes()).as("after it grew too large at once").isLessThan(520_000L);
    for (int i = 0; i < 80; i++) {
      takes(events(20_000, 100_000), 1);
    }
    assertThat(size.bytes()).isGreaterThan(1L << 40);
  }

  @Test
  void keepsTransactionsWholeAgainSoonAfterAnOutageHoweverSmallTheyAre() {
    timesOut(MEGABYTE);
    for (int i = 0; i < 6; i++) {
      timesOut(MEGABYTE);
    }
    nanos += Duration.ofHours(1).toNanos();
    assertThat(size.bytes()).as("before anything went").isLessThan(520_000L);
    takes(SMALL, 1);
    assertThat(size.bytes()).as("once a batch went").isGreaterThan(1L << 40);
  }

  @Test
  void keepsTheLimitWhileBatchesTakeMuchOfTheTime() {
    takes(MEGABYTE, 8);
    takes(MEGABYTE, 8);
    for (int i = 0; i < 20; i++) {
      takes(events(50, 10_000), 4);
      takes(SMALL, 1);
    }
    assertThat(size.bytes()).isLessThan(520_000L);
    nanos += Duration.ofMinutes(2).toNanos();
    assertThat(size.bytes()).isGreaterThan(1L << 40);
  }

  private void takes(List<RoutedEvent> batch, int seconds) {
    size.measured(batch, PATIENCE, () -> nanos += Duration.ofSeconds(seconds).toNanos());
  }

  private void timesOut(List<RoutedEvent> batch) {
    fails(batch, 15);
  }

  private void fails(List<RoutedEvent> batch, int seconds) {
    assertThatThrownBy(
            () ->
                size.measured(
                    batch,
                    PATIENCE,
                    () -> {
                      nanos += Duration.ofSeconds(seconds).toNanos();
                      throw new AgentException.Retryable("timed out", null);
                    }))
        .isInstanceOf(AgentException.Retryable.class);
  }

  private static List<RoutedEvent> events(int count, int payloadBytes) {
    byte[] payload = new byte[payloadBytes];
    OutboxEvent event =
        new OutboxEvent(
            "outbox_event",
            "1",
            "order",
            "k",
            "placed",
            payload,
            null,
            Map.of(),
            null,
            null,
            Map.of());
    RoutedEvent routed =
        new RoutedEvent(
            new SequencedEvent(event, SourcePosition.atCommit(1), Instant.EPOCH, 1, 1),
            new Destination("t", "k", List.of()));
    return IntStream.range(0, count).mapToObj(i -> routed).toList();
  }
}
