package io.outboxinbox.agent.source;

import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.SourcePosition;
import java.time.Instant;

/**
 * Asks of a row that was kept, and perhaps corrected, what is asked of a row from the log. Not
 * thread-safe.
 */
public final class RowCheck {
  private final RowReader rows;

  public RowCheck(SourceConfiguration source) {
    this.rows = new RowReader(source.outboxes().get(0));
  }

  /** A {@link Captured.Row} or a {@link Captured.BadRow}. */
  public Captured check(RawRow row, SourcePosition position, Instant committedAt) {
    try {
      return new Captured.Row(position, committedAt, rows.read(row));
    } catch (RowReader.BadRowException e) {
      return new Captured.BadRow(position, committedAt, row, String.valueOf(e.getMessage()));
    }
  }
}
