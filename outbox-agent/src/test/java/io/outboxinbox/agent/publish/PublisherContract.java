package io.outboxinbox.agent.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What every publisher must do; one subclass per broker. What it must do when the broker goes away:
 * {@link PublisherFaultContract}.
 */
public abstract class PublisherContract {
  /** A message as a consumer that takes only what is committed sees it; null payload kept. */
  public record Received(String key, byte[] payload, long sequence) {}

  /** Larger than any broker under test takes. */
  private static final int TOO_LARGE_BYTES = 2_000_000;

  private final SourceIdentity source =
      new SourceIdentity(UUID.randomUUID().toString(), "db", "publication");
  private final List<Publisher> open = new ArrayList<>();
  private Publisher publisher;

  /** Makes a publisher that is not yet connected. */
  protected abstract Publisher newPublisher();

  /** A topic, queue or subject that exists and is empty. */
  protected abstract String topic();

  /** All messages in the topic, in the broker's order per key. */
  protected abstract List<Received> received();

  /** As consumers that keep ids see them where a broker may repeat. */
  private List<Received> receivedOnce() {
    Set<Long> seen = new HashSet<>();
    return received().stream()
        .filter(message -> seen.add(message.sequence()) || !publisher.mayRepeat())
        .toList();
  }

  @BeforeEach
  void takeOver() {
    publisher = open();
    publisher.takeOver(source);
  }

  @AfterEach
  void closeAll() {
    open.forEach(Publisher::close);
  }

  @Test
  void confirmsEachEventAndKeepsOrderPerKey() {
    Random random = new Random(1);
    long sequence = 0;
    for (int batch = 0; batch < 5; batch++) {
      List<RoutedEvent> events = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        sequence++;
        events.add(event(sequence, "key-" + random.nextInt(7)));
      }
      List<Receipt> receipts = publisher.publishBatch(events, Events.checkpoint(source, sequence));
      assertThat(receipts.stream().map(Receipt::sequence))
          .containsExactlyInAnyOrderElementsOf(
              events.stream().map(e -> e.sequenced().sequence()).toList());
    }
    List<Received> all = received();
    assertThat(all.stream().map(Received::sequence))
        .containsExactlyInAnyOrderElementsOf(LongStream.rangeClosed(1, sequence).boxed().toList());
    all.stream()
        .collect(
            Collectors.groupingBy(
                Received::key, Collectors.mapping(Received::sequence, Collectors.toList())))
        .forEach((key, sequences) -> assertThat(sequences).as(key).isSorted());
  }

  @Test
  void carriesPayloadsAsTheyAreAndTombstonesAsNull() {
    byte[] bytes = {0, 1, (byte) 0xFF};
    publisher.publishBatch(
        List.of(Events.event(topic(), 1, "a", bytes), Events.event(topic(), 2, "b", null)),
        Events.checkpoint(source, 2));
    assertThat(received())
        .anySatisfy(message -> assertThat(message.payload()).isEqualTo(bytes))
        .anySatisfy(message -> assertThat(message.payload()).isNull());
  }

  @Test
  void rejectsBeforeSendingWhatTheBrokerWillNeverTake() {
    assertThatThrownBy(
            () -> publisher.check(Events.event(topic(), 1, "a", new byte[TOO_LARGE_BYTES])))
        .isInstanceOf(AgentException.RejectedEvent.class)
        .hasMessageContaining("id-1")
        .hasMessageContaining("bytes exceeds the limit of");
    assertThatThrownBy(() -> publisher.check(Events.event("no-such-topic", 1, "a", null)))
        .isInstanceOf(AgentException.RejectedEvent.class)
        .hasMessageContaining("topic no-such-topic does not exist");
    publisher.check(event(1, "a"));
  }

  @Test
  void returnsTheCheckpointOfTheLastBatchToWhoeverTakesOver() {
    assertThat(open().takeOver(source)).isEmpty();
    Publisher second = open();
    second.takeOver(source);
    second.publishBatch(List.of(event(1, "a")), Events.checkpoint(source, 1));
    second.publishBatch(List.of(), Events.checkpoint(source, 7));
    assertThat(open().takeOver(source)).contains(Events.checkpoint(source, 7));
    assertThat(second.allCheckpoints()).contains(Events.checkpoint(source, 7));
  }

  @Test
  void isShutOutOnceAnotherHasTakenOver() {
    publisher.publishBatch(List.of(event(1, "a")), Events.checkpoint(source, 1));
    Publisher second = open();
    second.takeOver(source);
    assertThatThrownBy(
            () -> publisher.publishBatch(List.of(event(2, "a")), Events.checkpoint(source, 2)))
        .isInstanceOf(AgentException.Retryable.class);
    assertThat(second.allCheckpoints()).contains(Events.checkpoint(source, 1));
    second.publishBatch(List.of(event(2, "a")), Events.checkpoint(source, 2));
    assertThat(receivedOnce().stream().map(Received::sequence)).containsExactly(1L, 2L);
  }

  @Test
  void rehearsalShutsNobodyOutAndTakesNothing() {
    publisher.publishBatch(List.of(event(1, "a")), Events.checkpoint(source, 1));
    open().rehearse(source);
    publisher.publishBatch(List.of(event(2, "a")), Events.checkpoint(source, 2));
    assertThat(received().stream().map(Received::sequence)).containsExactly(1L, 2L);
  }

  @Test
  void keepsSourcesApart() {
    SourceIdentity other = new SourceIdentity(UUID.randomUUID().toString(), "db", "publication");
    open().takeOver(other);
    publisher.publishBatch(List.of(event(1, "a")), Events.checkpoint(source, 1));
    assertThat(open().takeOver(other)).isEmpty();
  }

  @Test
  void forgetsACheckpointOnRequest() {
    publisher.publishBatch(List.of(), Events.checkpoint(source, 1));
    publisher.forget(source);
    assertThat(open().takeOver(source)).isEmpty();
  }

  @Test
  void closesTwice() {
    publisher.close();
    publisher.close();
  }

  private RoutedEvent event(long sequence, String key) {
    return Events.event(topic(), sequence, key, "{}".getBytes(StandardCharsets.UTF_8));
  }

  private Publisher open() {
    Publisher opened = newPublisher();
    open.add(opened);
    return opened;
  }
}
