package io.outboxinbox.inbox.micrometer;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.outboxinbox.inbox.kafka.ConsumerListener;
import io.outboxinbox.inbox.kafka.ConsumerState;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Counts what a consumer does, under {@code inbox.*} with tags {@code consumer} and {@code topic}.
 *
 * <p>{@code inbox.messages} with tag {@code outcome}: handled, duplicate, too_old, dead_letter,
 * queued. {@code inbox.transactions}: time of transactions with new messages. {@code
 * inbox.retries}. {@code inbox.lag}: messages not done, with tag {@code partition}. {@code
 * inbox.state} with tag {@code state}: 1 for the {@link ConsumerState} it is in, 0 for the others.
 * {@code inbox.dead_letters}: how many there are, the same on each member. {@code
 * inbox.rebalances}.
 *
 * <p>One for each consumer. Any thread.
 */
public final class MicrometerListener implements ConsumerListener {
  private record Partition(String topic, int number) {}

  private record Lag(AtomicLong messages, Gauge gauge) {}

  private final MeterRegistry registry;
  private final Tags consumer;
  private final AtomicReference<ConsumerState> state = new AtomicReference<>(ConsumerState.NEW);
  private final AtomicLong deadLetters = new AtomicLong();
  private final Map<Partition, Lag> lags = new ConcurrentHashMap<>();

  /**
   * Registers the meters.
   *
   * @param consumerName value of tag {@code consumer}
   */
  public MicrometerListener(MeterRegistry registry, String consumerName) {
    this.registry = registry;
    this.consumer = Tags.of("consumer", consumerName);
    Gauge.builder("inbox.dead_letters", deadLetters, AtomicLong::get)
        .description("Dead letters of the consumer, those that wait included")
        .tags(consumer)
        .strongReference(true)
        .register(registry);
    for (ConsumerState one : ConsumerState.values()) {
      Gauge.builder("inbox.state", state, current -> current.get() == one ? 1 : 0)
          .description("1 for the state the consumer is in, 0 for the others")
          .tags(consumer.and("state", one.name().toLowerCase(Locale.ROOT)))
          // Registries hold what they measure weakly; this object lives as long as the consumer.
          .strongReference(true)
          .register(registry);
    }
  }

  @Override
  public void handled(String topic, int messages, Duration time) {
    count(topic, "handled", messages);
    Timer.builder("inbox.transactions")
        .description("Transactions with new messages")
        .tags(consumer.and("topic", topic))
        .register(registry)
        .record(time);
  }

  @Override
  public void duplicates(String topic, int messages) {
    count(topic, "duplicate", messages);
  }

  @Override
  public void tooOld(String topic, int messages) {
    count(topic, "too_old", messages);
  }

  @Override
  public void deadLettered(String topic, int partition, String reason) {
    count(topic, "dead_letter", 1);
  }

  @Override
  public void queuedBehind(String topic, int messages) {
    count(topic, "queued", messages);
  }

  @Override
  public void deadLettersKept(long count) {
    deadLetters.set(count);
  }

  private void count(String topic, String outcome, int messages) {
    Counter.builder("inbox.messages")
        .description("Messages by what became of them")
        .tags(consumer.and("topic", topic, "outcome", outcome))
        .register(registry)
        .increment(messages);
  }

  @Override
  public void retried(String topic, int partition, int attempt, Throwable failure) {
    Counter.builder("inbox.retries")
        .description("Transactions that failed and are run again")
        .tags(consumer.and("topic", topic))
        .register(registry)
        .increment();
  }

  @Override
  public void lag(String topic, int partition, long messages) {
    lags.computeIfAbsent(new Partition(topic, partition), this::newLag).messages().set(messages);
  }

  private Lag newLag(Partition partition) {
    AtomicLong messages = new AtomicLong();
    Gauge gauge =
        Gauge.builder("inbox.lag", messages, AtomicLong::get)
            .description("Messages of a partition that are not done yet")
            .tags(
                consumer.and(
                    "topic", partition.topic(), "partition", Integer.toString(partition.number())))
            .strongReference(true)
            .register(registry);
    return new Lag(messages, gauge);
  }

  /** Another member tells its lag now; two would be added up. */
  @Override
  public void released(String topic, int partition) {
    Lag lag = lags.remove(new Partition(topic, partition));
    if (lag != null) {
      registry.remove(lag.gauge());
    }
  }

  @Override
  public void rebalanced(int assigned, int revoked, int lost) {
    Counter.builder("inbox.rebalances")
        .description("Times that partitions came or went")
        .tags(consumer)
        .register(registry)
        .increment();
  }

  @Override
  public void stateChanged(ConsumerState from, ConsumerState to, String reason) {
    state.set(to);
  }
}
