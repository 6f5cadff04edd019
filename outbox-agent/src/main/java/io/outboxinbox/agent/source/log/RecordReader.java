package io.outboxinbox.agent.source.log;

import static java.util.stream.Collectors.joining;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.RowReader;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.jspecify.annotations.Nullable;

/** Makes {@link Captured} items of Debezium's records; drops what is already behind us. */
final class RecordReader {
  private final String transactionTopic;
  private final String messageTopic;
  private final String pulseMark;
  private final ResumePoint resumePoint;
  private final Map<String, RowReader> tables = new HashMap<>();

  /** The reader of each layout rows have come in; one for each table as a rule. */
  private final IdentityHashMap<Schema, RowReader> readers = new IdentityHashMap<>();

  private @Nullable Schema lastLayout;
  private @Nullable RowReader lastReader;
  private long skipped;

  RecordReader(SourceConfiguration source, ResumePoint resumePoint, String nonce) {
    this.transactionTopic = ConnectorSettings.prefix(source) + ".transaction";
    this.messageTopic = ConnectorSettings.prefix(source) + ".message";
    this.pulseMark = nonce + ":";
    this.resumePoint = resumePoint;
    source.outboxes().forEach(outbox -> tables.put(outbox.name(), new RowReader(outbox)));
  }

  List<Captured> read(List<SourceRecord> records) {
    List<Captured> captured = new ArrayList<>(records.size());
    for (SourceRecord record : records) {
      Captured item = read(record);
      if (item != null) {
        captured.add(item);
      }
    }
    return captured;
  }

  /** How many rows were already behind us since the last call. */
  long takeSkipped() {
    long count = skipped;
    skipped = 0;
    return count;
  }

  private @Nullable Captured read(SourceRecord record) {
    Map<String, ?> offset = record.sourceOffset();
    Struct value = (Struct) record.value();
    if (record.topic().equals(transactionTopic)) {
      return "END".equals(value.getString("status"))
          ? new Captured.TransactionEnd(
              resumePoint.end(number(offset, "txId"), number(offset, "lsn_commit")))
          : null;
    }
    if (record.topic().equals(messageTopic)) {
      return pulse(value);
    }
    return row(offset, value);
  }

  private @Nullable Captured row(Map<String, ?> offset, Struct value) {
    Struct after = value.getStruct("after");
    if (after == null) {
      return null;
    }
    SourcePosition position =
        resumePoint.row(
            number(offset, "lsn_commit"), number(offset, "txId"), number(offset, "lsn"));
    if (position == null) {
      skipped++;
      return null;
    }
    RowReader rows = reader(value.getStruct("source"), after.schema());
    Instant committedAt = Instant.EPOCH.plus(number(offset, "ts_usec"), ChronoUnit.MICROS);
    try {
      return new Captured.Row(position, committedAt, rows.read(after::getWithoutDefault));
    } catch (RowReader.BadRowException e) {
      return new Captured.BadRow(
          position,
          committedAt,
          rows.raw(after::getWithoutDefault),
          String.valueOf(e.getMessage()));
    }
  }

  /** Rows of one table and layout share their schema, so it is looked at once. */
  private RowReader reader(Struct source, Schema layout) {
    if (lastReader == null || layout != lastLayout) {
      @Nullable RowReader known = readers.get(layout);
      lastReader = known == null ? newReader(source, layout) : known;
      lastLayout = layout;
    }
    return lastReader;
  }

  private RowReader newReader(Struct source, Schema layout) {
    String table = source.getString("table");
    @Nullable RowReader reader = tables.get(table);
    if (reader == null) {
      throw new IllegalStateException("the log brings rows of table %s".formatted(table));
    }
    List<String> missing = reader.missing(name -> layout.field(name) != null);
    if (!missing.isEmpty()) {
      throw new AgentException.Gap(
          "rows in the log of table %s.%s have no column %s, they have %s: the table was altered after they were written"
              .formatted(
                  source.getString("schema"),
                  table,
                  String.join(", ", missing),
                  layout.fields().stream().map(Field::name).collect(joining(", "))),
          WayOut.RECONCILE + "; the table has them under the names of today");
    }
    // The layout before does not come again: a table that goes back to it gets a new one.
    readers.values().remove(reader);
    readers.put(layout, reader);
    return reader;
  }

  /** Anyone may write messages under our prefix; only those that carry our nonce count. */
  private @Nullable Captured pulse(Struct value) {
    ByteBuffer content = (ByteBuffer) value.getStruct("message").get("content");
    String text = StandardCharsets.UTF_8.decode(content.duplicate()).toString();
    if (!text.startsWith(pulseMark)) {
      return null;
    }
    String[] parts = text.substring(pulseMark.length()).split(":", 3);
    if (parts.length < 3) {
      return null;
    }
    try {
      return new Captured.Pulse(Long.parseLong(parts[0]), Long.parseLong(parts[1]), parts[2]);
    } catch (NumberFormatException forged) {
      return null;
    }
  }

  private static long number(Map<String, ?> offset, String key) {
    Object number = offset.get(key);
    if (number == null) {
      throw new IllegalStateException("Debezium's offset lacks " + key + ": " + offset);
    }
    return ((Number) number).longValue();
  }
}
