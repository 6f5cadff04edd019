package io.outboxinbox.agent.publish;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.PublisherContract.Received;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * What every publisher must do when its broker dies under it. The subclass has a broker of its own,
 * which it kills as a power cut does, and starts again with what it had.
 */
public abstract class PublisherFaultContract {
  private static final int DEATHS = 4;
  private static final int BATCH = 50;

  /** While the next death is on its way. */
  private static final int BATCHES_MAX = 2_000;

  protected final SourceIdentity source =
      new SourceIdentity(UUID.randomUUID().toString(), "db", "publication");

  /** Makes a publisher that is not yet connected; it gives up within seconds. */
  protected abstract Publisher newPublisher();

  protected abstract String topic();

  protected abstract List<Received> received();

  protected abstract void kill();

  protected abstract void startAgain();

  private RoutedEvent event(long sequence) {
    byte[] payload = ("{\"n\":" + sequence + "}").getBytes(StandardCharsets.UTF_8);
    return Events.event(topic(), sequence, "key-" + sequence % 7, payload);
  }

  private List<RoutedEvent> batchAfter(long sequence) {
    return LongStream.rangeClosed(sequence + 1, sequence + BATCH).mapToObj(this::event).toList();
  }

  @Test
  void givesNoReceiptWhileTheBrokerIsAway() {
    try (Publisher publisher = newPublisher()) {
      publisher.takeOver(source);
      publisher.publishBatch(batchAfter(0), Events.checkpoint(source, BATCH));
      kill();
      CompletableFuture<List<Receipt>> sent =
          CompletableFuture.supplyAsync(
              () ->
                  publisher.publishBatch(batchAfter(BATCH), Events.checkpoint(source, 2 * BATCH)));
      // Not once for each event that it is away.
      assertThat(sent)
          .failsWithin(Duration.ofSeconds(60))
          .withThrowableThat()
          .havingCause()
          .isInstanceOf(AgentException.Retryable.class)
          .extracting(e -> ((AgentException.Retryable) e).side())
          .isEqualTo(AgentException.Retryable.Side.BROKER);
    }
    startAgain();
    try (Publisher publisher = newPublisher()) {
      assertThat(takeOver(publisher)).isEqualTo(BATCH);
      publisher.publishBatch(batchAfter(BATCH), Events.checkpoint(source, 2 * BATCH));
      assertThatEachArrivedInOrder(2 * BATCH, publisher.mayRepeat());
    }
  }

  @Test
  void losesNothingAndKeepsOrderWheneverTheBrokerDies() {
    long seed = System.nanoTime();
    System.out.println(getClass().getSimpleName() + " seed " + seed);
    Random random = new Random(seed);
    long durable = 0;
    boolean mayRepeat = false;
    for (int death = 0; death < DEATHS; death++) {
      try (Publisher publisher = newPublisher()) {
        mayRepeat = publisher.mayRepeat();
        if (death == 0) {
          publisher.takeOver(source);
        } else {
          long found = takeOver(publisher);
          assertThat(found).as("what had a receipt is remembered").isGreaterThanOrEqualTo(durable);
          durable = found;
        }
        publisher.publishBatch(batchAfter(durable), Events.checkpoint(source, durable + BATCH));
        durable += BATCH;
        int delayMillis = random.nextInt(200);
        CompletableFuture<Void> killed =
            CompletableFuture.runAsync(
                this::kill, CompletableFuture.delayedExecutor(delayMillis, TimeUnit.MILLISECONDS));
        durable = publishUntilItFails(publisher, durable);
        killed.join();
      }
      startAgain();
    }
    try (Publisher publisher = newPublisher()) {
      long found = takeOver(publisher);
      publisher.publishBatch(batchAfter(found), Events.checkpoint(source, found + BATCH));
      boolean isRepeatFine = mayRepeat;
      // Consumers may see a moment later what is committed.
      Awaitility.await()
          .atMost(Duration.ofSeconds(60))
          .untilAsserted(() -> assertThatEachArrivedInOrder(found + BATCH, isRepeatFine));
    }
  }

  /** Returns the last number with a receipt. */
  private long publishUntilItFails(Publisher publisher, long from) {
    long durable = from;
    try {
      for (int i = 0; i < BATCHES_MAX; i++) {
        List<RoutedEvent> batch = batchAfter(durable);
        List<Receipt> receipts =
            publisher.publishBatch(batch, Events.checkpoint(source, durable + BATCH));
        assertThat(receipts).extracting(Receipt::sequence).hasSize(BATCH);
        durable += BATCH;
      }
      throw new AssertionError("the broker was to die meanwhile");
    } catch (AgentException.Retryable e) {
      return durable;
    }
  }

  /** The last number remembered. A broker that was just started may still say it is not there. */
  private long takeOver(Publisher publisher) {
    return Awaitility.await()
        .atMost(Duration.ofSeconds(90))
        .ignoreExceptionsInstanceOf(AgentException.Retryable.class)
        .until(() -> publisher.takeOver(source), found -> true)
        .map(Checkpoint::sequence)
        .orElse(0L);
  }

  private void assertThatEachArrivedInOrder(long last, boolean mayRepeat) {
    List<Received> all = received();
    Map<Long, Received> once = new LinkedHashMap<>();
    for (Received message : all) {
      once.putIfAbsent(message.sequence(), message);
    }
    System.out.println(
        getClass().getSimpleName() + ": " + once.size() + " events, " + all.size() + " messages");
    assertThat(once.keySet())
        .containsExactlyInAnyOrderElementsOf(LongStream.rangeClosed(1, last).boxed().toList());
    if (!mayRepeat) {
      assertThat(all).hasSameSizeAs(once.keySet());
    }
    once.values().stream()
        .collect(
            Collectors.groupingBy(
                Received::key, Collectors.mapping(Received::sequence, Collectors.toList())))
        .forEach((key, sequences) -> assertThat(sequences).as(key).isSorted());
  }
}
