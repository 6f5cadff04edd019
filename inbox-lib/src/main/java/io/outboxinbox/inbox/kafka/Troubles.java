package io.outboxinbox.inbox.kafka;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is wrong at the moment, and with whom; the worst of it is the consumer's state. Any thread.
 */
final class Troubles {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private record Trouble(ConsumerState state, String reason) {}

  private final String consumer;
  private final ConsumerListener listener;

  private final Map<Object, Trouble> byOwner = new HashMap<>();
  private ConsumerState base = ConsumerState.NEW;
  private ConsumerState told = ConsumerState.NEW;
  private volatile @Nullable Throwable lastFailure;

  Troubles(String consumer, ConsumerListener listener) {
    this.consumer = consumer;
    this.listener = listener;
  }

  /** Moves on from NEW to RUNNING, or to CLOSED, which nothing outranks. */
  synchronized void begin(ConsumerState state) {
    base = state;
    tell();
  }

  synchronized void set(Object owner, ConsumerState state, String reason) {
    byOwner.put(owner, new Trouble(state, reason));
    tell();
  }

  synchronized void clear(Object owner) {
    if (byOwner.remove(owner) != null) {
      tell();
    }
  }

  void failed(Throwable failure) {
    lastFailure = failure;
  }

  Optional<Throwable> lastFailure() {
    return Optional.ofNullable(lastFailure);
  }

  synchronized ConsumerState state() {
    Trouble worst = worst();
    return worst == null || base.compareTo(worst.state()) > 0 ? base : worst.state();
  }

  synchronized String reason() {
    Trouble worst = worst();
    return worst == null || base == ConsumerState.CLOSED ? "" : worst.reason();
  }

  private @Nullable Trouble worst() {
    Trouble worst = null;
    for (Trouble trouble : byOwner.values()) {
      if (worst == null || trouble.state().compareTo(worst.state()) > 0) {
        worst = trouble;
      }
    }
    return worst;
  }

  private void tell() {
    ConsumerState now = state();
    if (now != told) {
      ConsumerState before = told;
      told = now;
      String reason = reason();
      if (reason.isEmpty()) {
        log.info("consumer {} is {}, was {}", consumer, now, before);
      } else {
        log.warn("consumer {} is {}, was {}: {}", consumer, now, before, reason);
      }
      listener.stateChanged(before, now, reason);
    }
  }
}
