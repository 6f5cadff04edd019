package io.outboxinbox.agent.event;

import java.time.Instant;

/** What the reader of the log hands over, in commit order. */
public sealed interface Captured {

  /** A committed outbox row. */
  record Row(SourcePosition position, Instant committedAt, OutboxEvent event) implements Captured {}

  /**
   * A committed row that cannot become an event.
   *
   * @param row what could be read of it
   * @param reason which column, which value, which rule
   */
  record BadRow(SourcePosition position, Instant committedAt, RawRow row, String reason)
      implements Captured {}

  /** A row older than the slot that was deleted before it could be published. */
  record Absent() implements Captured {}

  /** A transaction ended: everything before it may become visible. */
  record TransactionEnd(SourcePosition position) implements Captured {}

  /**
   * A pulse this agent wrote into the log has come back.
   *
   * @param number the number it was sent with; content from the log is untrusted, so only numbers
   *     behind the current nonce arrive here
   * @param endedXid every transaction with a smaller id (64-bit) had ended before this pulse was
   *     written, so all their rows come before this pulse
   * @param publicationMark the publication's mark at that moment; while it is another than the
   *     checkpoint's, rows of ended transactions may be in no stream
   */
  record Pulse(long number, long endedXid, String publicationMark) implements Captured {}
}
