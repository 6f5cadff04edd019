package io.outboxinbox.agent.source.log;

import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.RowCheck;
import io.outboxinbox.agent.source.Sources;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What {@link LogReader} would deliver of a simulated log, with the real {@link ResumePoint}. */
public final class SimulatedReader {
  private static final String TABLE = "outbox_event";
  private static final String OTHER_TABLE = "event";

  private final List<Captured> items;
  private int read;

  public SimulatedReader(SimulatedLog log, SourcePosition from) {
    this.items = read(log, from);
  }

  public boolean hasNext() {
    return read < items.size();
  }

  public Captured next() {
    return items.get(read++);
  }

  /** Where the transaction ends of which the last row was read. */
  public long nextCommitLsn() {
    return items.stream()
        .skip(read)
        .filter(Captured.TransactionEnd.class::isInstance)
        .map(end -> ((Captured.TransactionEnd) end).position().commitLsn())
        .findFirst()
        .orElseThrow();
  }

  private static List<Captured> read(SimulatedLog log, SourcePosition from) {
    ResumePoint resumePoint = new ResumePoint(from);
    List<Captured> captured = new ArrayList<>();
    long lastCommit = from.commitLsn();
    for (SimulatedLog.Transaction transaction : log.sendFrom(from.commitLsn())) {
      for (SimulatedLog.Row row : transaction.rows()) {
        SourcePosition position = resumePoint.row(lastCommit, transaction.xid(), row.lsn());
        if (position != null) {
          captured.add(new Captured.Row(position, Instant.EPOCH, event(row)));
        }
      }
      lastCommit = transaction.commitEnd();
      captured.add(new Captured.TransactionEnd(resumePoint.end(transaction.xid(), lastCommit)));
    }
    return captured;
  }

  private static OutboxEvent event(SimulatedLog.Row row) {
    long id = row.id();
    return new OutboxEvent(
        // Rows that share an LSN are of one table.
        row.lsn() % 2 == 0 ? TABLE : OTHER_TABLE,
        String.valueOf(id),
        "order",
        keyOf(id),
        "placed",
        null,
        null,
        Map.of(),
        null,
        null,
        Map.of());
  }

  /** The key of the event with this id; there are few. */
  public static String keyOf(long id) {
    return "key-" + id % 7;
  }

  /** What asks of released rows what is asked of rows from the log. */
  public static RowCheck rowCheck() {
    return new RowCheck(
        Sources.withTables(Sources.standard(), Sources.table(TABLE), Sources.table(OTHER_TABLE)),
        "s");
  }
}
