package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.SourcePosition;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * An event on its way into the table.
 *
 * @param row all of it, because the application may delete its own row
 * @param key what waits behind it has the same; null when the row does not tell it, then nothing
 *     waits
 * @param destination topic whose order it belongs to; null when nobody can tell, then it holds its
 *     key in every topic
 * @param reason why it is not published
 * @param isBehind whether an earlier event of its key is the reason, and none of its own
 */
public record ParkedEvent(
    RawRow row,
    @Nullable String key,
    @Nullable String destination,
    String reason,
    boolean isBehind,
    SourcePosition position,
    Instant committedAt) {

  static final String BEHIND = "waits behind an earlier event of its key";

  /** An event that follows a parked one. */
  public static ParkedEvent behind(
      RawRow row,
      String key,
      @Nullable String destination,
      SourcePosition position,
      Instant committedAt) {
    return new ParkedEvent(row, key, destination, BEHIND, true, position, committedAt);
  }

  /** What it waits in line for; null when its row does not tell its key. */
  public @Nullable String lane() {
    return key == null ? null : Lane.of(destination, key);
  }
}
