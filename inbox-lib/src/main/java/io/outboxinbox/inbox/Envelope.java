package io.outboxinbox.inbox;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A message as the broker delivered it, whatever is in it.
 *
 * @param key null if it has none; messages of one key come in order
 * @param value null for a tombstone
 * @param sentAt when it was sent, the same on every redelivery
 * @param headers in the order they came; a name may come twice
 */
public record Envelope(
    String topic,
    int partition,
    long offset,
    byte @Nullable [] key,
    byte @Nullable [] value,
    Instant sentAt,
    List<Header> headers) {

  /** One header. */
  public record Header(String name, byte @Nullable [] value) {}

  public Envelope {
    headers = List.copyOf(headers);
  }

  /** The last header of that name as text in UTF-8; empty if there is none or it has no value. */
  public Optional<String> header(String name) {
    return headerBytes(name).map(bytes -> new String(bytes, StandardCharsets.UTF_8));
  }

  /** The last header of that name as it came; empty if there is none or it has no value. */
  public Optional<byte[]> headerBytes(String name) {
    for (int i = headers.size() - 1; i >= 0; i--) {
      Header header = headers.get(i);
      if (header.name().equals(name)) {
        return Optional.ofNullable(header.value());
      }
    }
    return Optional.empty();
  }

  /** Where it lies, for messages and logs; nothing of its content. */
  public String place() {
    return topic + "-" + partition + "@" + offset;
  }
}
