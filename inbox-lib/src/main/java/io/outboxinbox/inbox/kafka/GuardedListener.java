package io.outboxinbox.inbox.kafka;

import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps what a listener throws away from the work. */
final class GuardedListener implements ConsumerListener {
  private static final Logger log = LoggerFactory.getLogger(GuardedListener.class);

  private final ConsumerListener listener;

  GuardedListener(ConsumerListener listener) {
    this.listener = listener;
  }

  @Override
  public void handled(String topic, int messages, Duration time) {
    guarded(() -> listener.handled(topic, messages, time));
  }

  @Override
  public void duplicates(String topic, int messages) {
    guarded(() -> listener.duplicates(topic, messages));
  }

  @Override
  public void tooOld(String topic, int messages) {
    guarded(() -> listener.tooOld(topic, messages));
  }

  @Override
  public void retried(String topic, int partition, int attempt, Throwable failure) {
    guarded(() -> listener.retried(topic, partition, attempt, failure));
  }

  @Override
  public void deadLettered(String topic, int partition, String reason) {
    guarded(() -> listener.deadLettered(topic, partition, reason));
  }

  @Override
  public void deadLettersKept(long count) {
    guarded(() -> listener.deadLettersKept(count));
  }

  @Override
  public void queuedBehind(String topic, int messages) {
    guarded(() -> listener.queuedBehind(topic, messages));
  }

  @Override
  public void lag(String topic, int partition, long messages) {
    guarded(() -> listener.lag(topic, partition, messages));
  }

  @Override
  public void released(String topic, int partition) {
    guarded(() -> listener.released(topic, partition));
  }

  @Override
  public void rebalanced(int assigned, int revoked, int lost) {
    guarded(() -> listener.rebalanced(assigned, revoked, lost));
  }

  @Override
  public void stateChanged(ConsumerState from, ConsumerState to, String reason) {
    guarded(() -> listener.stateChanged(from, to, reason));
  }

  private static void guarded(Runnable call) {
    try {
      call.run();
    } catch (RuntimeException | Error e) {
      log.warn("a consumer's listener has failed; the work goes on", e);
    }
  }
}
