package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.Envelope.Header;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;

/**
 * One message on its way through a lane. Its lane alone works with it; {@link OffsetTracker} alone
 * knows whether it is done.
 */
final class Delivery {
  private final Envelope envelope;
  private final boolean isDated;
  private final long bytes;
  private @Nullable Arrival arrival;
  private @Nullable Throwable refusal;

  /** Guarded by the tracker. */
  boolean isDone;

  Delivery(Envelope envelope, boolean isDated, long bytes) {
    this.envelope = envelope;
    this.isDated = isDated;
    this.bytes = bytes;
  }

  static Delivery of(ConsumerRecord<byte[], byte[]> received) {
    return of(received, received.key(), received.value());
  }

  /** Headers and place only. */
  static Delivery withoutContent(ConsumerRecord<?, ?> received) {
    return of(received, null, null);
  }

  private static Delivery of(
      ConsumerRecord<?, ?> received, byte @Nullable [] key, byte @Nullable [] value) {
    List<Header> headers = new ArrayList<>();
    long bytes = Math.max(0, received.serializedKeySize());
    bytes += Math.max(0, received.serializedValueSize());
    for (var header : received.headers()) {
      headers.add(new Header(header.key(), header.value()));
      bytes += header.key().length() + (header.value() == null ? 0 : header.value().length);
    }
    Envelope envelope =
        new Envelope(
            received.topic(),
            received.partition(),
            received.offset(),
            key,
            value,
            Instant.ofEpochMilli(Math.max(0, received.timestamp())),
            headers);
    // Messages of very old producers have no time: -1.
    return new Delivery(envelope, received.timestamp() >= 0, bytes);
  }

  Envelope envelope() {
    return envelope;
  }

  long offset() {
    return envelope.offset();
  }

  boolean isDated() {
    return isDated;
  }

  /** What it takes in memory, without the objects around it. */
  long bytes() {
    return bytes;
  }

  /** What the inbox is asked about; null if it must not be asked. */
  @Nullable Arrival arrival() {
    return arrival;
  }

  /** Why the inbox cannot take it; null if it can. */
  @Nullable Throwable refusal() {
    return refusal;
  }

  /** Whether it has been looked at. */
  boolean isRead() {
    return arrival != null || refusal != null;
  }

  void accept(Arrival known) {
    this.arrival = known;
  }

  void refuse(Throwable why) {
    this.refusal = why;
  }
}
