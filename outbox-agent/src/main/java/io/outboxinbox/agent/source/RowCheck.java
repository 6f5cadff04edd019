package io.outboxinbox.agent.source;

import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.SourcePosition;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Asks of a row that was kept, and perhaps corrected, what is asked of a row from the log. Not
 * thread-safe.
 */
public final class RowCheck {
  private final Map<String, RowReader> readers = new HashMap<>();
  private final @Nullable RowReader only;
  private final String parked;

  public RowCheck(SourceConfiguration source) {
    List<OutboxTable> outboxes = source.outboxes();
    this.parked = Identifiers.qualified(source.schema(), "outbox_parked");
    outboxes.forEach(outbox -> readers.put(outbox.name(), new RowReader(outbox)));
    this.only = outboxes.size() == 1 ? readers.get(outboxes.get(0).name()) : null;
  }

  /** A {@link Captured.Row} or a {@link Captured.BadRow}. */
  public Captured check(RawRow row, SourcePosition position, Instant committedAt) {
    try {
      return new Captured.Row(position, committedAt, reader(row).read(row));
    } catch (RowReader.BadRowException e) {
      return new Captured.BadRow(position, committedAt, row, String.valueOf(e.getMessage()));
    }
  }

  private RowReader reader(RawRow row) throws RowReader.BadRowException {
    @Nullable RowReader reader = row.table() == null ? only : readers.get(row.table());
    if (reader == null) {
      throw new RowReader.BadRowException(
          "it is of table %s, which is not configured; name it in source, or discard the event, or, if the table is called otherwise now: UPDATE %s SET source_table = '<its name now>' WHERE source_table IS NOT DISTINCT FROM %s"
              .formatted(
                  row.table(),
                  parked,
                  row.table() == null ? "NULL" : Identifiers.literal(row.table())));
    }
    return reader;
  }
}
