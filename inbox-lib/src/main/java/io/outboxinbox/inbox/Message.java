package io.outboxinbox.inbox;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A message that has an id, for a handler. */
public record Message(Arrival arrival, Envelope envelope) {

  /** The same on every redelivery: the idempotency key for effects outside the database. */
  public MessageId id() {
    return arrival.id();
  }

  /** Null if it has none. */
  public byte @Nullable [] key() {
    return envelope.key();
  }

  /** Null for a tombstone. */
  public byte @Nullable [] value() {
    return envelope.value();
  }

  /** The value as text in UTF-8; empty for a tombstone. */
  public String text() {
    byte @Nullable [] value = envelope.value();
    return value == null ? "" : new String(value, StandardCharsets.UTF_8);
  }

  /** The last header of that name as text; empty if there is none. */
  public Optional<String> header(String name) {
    return envelope.header(name);
  }

  public String topic() {
    return envelope.topic();
  }

  public Instant sentAt() {
    return envelope.sentAt();
  }
}
