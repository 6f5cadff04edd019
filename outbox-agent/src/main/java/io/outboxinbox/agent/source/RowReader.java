package io.outboxinbox.agent.source;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Makes an event of a row, by column name, whatever the table's layout and whether the row came
 * from the log or from a query. Not thread-safe.
 */
public final class RowReader {
  /** Headers are small; a row that nests deeper or is longer is a mistake or an attack. */
  private static final StreamReadConstraints HEADER_LIMITS =
      StreamReadConstraints.builder().maxNestingDepth(4).maxStringLength(64 * 1024).build();

  private static final JsonFactory JSON =
      JsonFactory.builder().streamReadConstraints(HEADER_LIMITS).build();

  /** Why a row cannot become an event: column, value, rule; never the payload. */
  public static final class BadRowException extends Exception {
    private static final long serialVersionUID = 1;

    BadRowException(String reason) {
      super(reason);
    }
  }

  private final String table;
  private final Map<Column, String> columns;
  private final List<String> extraColumns;
  private final Set<String> columnsRead;

  public RowReader(OutboxTable table) {
    this.table = table.name();
    this.columns = table.mappedColumns();
    this.extraColumns = table.extraColumns();
    this.columnsRead = table.columnsRead();
  }

  /**
   * Which columns named in the configuration rows do not have. A row without one of them must not
   * be read: what the column held would be taken for NULL.
   *
   * @param isPresent whether rows have a column of this name
   */
  public List<String> missing(Predicate<String> isPresent) {
    return columnsRead.stream().filter(isPresent.negate()).toList();
  }

  /**
   * Reads one row.
   *
   * @param row name of a column it has to the value, as {@link ColumnValue} has it; null for SQL
   *     NULL
   * @throws BadRowException a required value is missing or cannot be read
   */
  public OutboxEvent read(Function<String, @Nullable Object> row) throws BadRowException {
    OutboxEvent event = read(raw(row));
    Object time = value(row, Column.OCCURRED_AT);
    if (time != null && event.occurredAt() == null) {
      throw new BadRowException(
          "column %s is %s; it must be a finite timestamp"
              .formatted(columns.get(Column.OCCURRED_AT), time));
    }
    return event;
  }

  /**
   * Makes an event of a row that is read already.
   *
   * @throws BadRowException a required value is missing or cannot be read
   */
  OutboxEvent read(RawRow raw) throws BadRowException {
    return new OutboxEvent(
        table,
        required(raw.id(), Column.ID),
        required(raw.aggregateType(), Column.AGGREGATE_TYPE),
        required(raw.aggregateId(), Column.AGGREGATE_ID),
        required(raw.eventType(), Column.EVENT_TYPE),
        raw.payload(),
        raw.contentType(),
        headers(raw.headers()),
        raw.topic(),
        raw.occurredAt(),
        raw.extra());
  }

  /** Everything that can be read of a row, whether it makes an event or not. */
  public RawRow raw(Function<String, @Nullable Object> row) {
    return new RawRow(
        table,
        text(value(row, Column.ID)),
        text(value(row, Column.AGGREGATE_TYPE)),
        text(value(row, Column.AGGREGATE_ID)),
        text(value(row, Column.EVENT_TYPE)),
        bytes(value(row, Column.PAYLOAD)),
        text(value(row, Column.CONTENT_TYPE)),
        text(value(row, Column.HEADERS)),
        text(value(row, Column.TOPIC)),
        instant(value(row, Column.OCCURRED_AT)),
        extra(row));
  }

  private @Nullable Object value(Function<String, @Nullable Object> row, Column column) {
    String name = columns.get(column);
    return name == null ? null : row.apply(name);
  }

  private String required(@Nullable String text, Column column) throws BadRowException {
    if (text == null || text.isEmpty()) {
      throw new BadRowException(
          "column %s is %s; it must hold the event's %s"
              .formatted(
                  columns.get(column),
                  text == null ? "NULL" : "empty",
                  column.name().toLowerCase(java.util.Locale.ROOT)));
    }
    return text;
  }

  private Map<String, String> extra(Function<String, @Nullable Object> row) {
    if (extraColumns.isEmpty()) {
      return Map.of();
    }
    Map<String, String> extra = new LinkedHashMap<>();
    for (String name : extraColumns) {
      String text = text(row.apply(name));
      if (text != null) {
        extra.put(name, text);
      }
    }
    return extra;
  }

  private static @Nullable String text(@Nullable Object value) {
    return value == null ? null : value.toString();
  }

  private static byte @Nullable [] bytes(@Nullable Object value) {
    if (value == null) {
      return null;
    }
    if (value instanceof byte[] bytes) {
      return bytes;
    }
    if (value instanceof ByteBuffer buffer) {
      byte[] bytes = new byte[buffer.remaining()];
      buffer.duplicate().get(bytes);
      return bytes;
    }
    return value.toString().getBytes(StandardCharsets.UTF_8);
  }

  private Map<String, String> headers(@Nullable String json) throws BadRowException {
    if (json == null || json.equals("{}")) {
      return Map.of();
    }
    Map<String, String> headers = new LinkedHashMap<>();
    try (JsonParser parser = JSON.createParser(json)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw badHeaders("is not a JSON object");
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        JsonToken token = parser.nextToken();
        if (token.isStructStart()) {
          throw badHeaders("has a value that is not a scalar at " + quote(name));
        }
        // A null header carries nothing; leaving it out is what its writer sees in the message.
        if (token != JsonToken.VALUE_NULL) {
          headers.put(name, parser.getText());
        }
      }
    } catch (IOException notJson) {
      throw badHeaders("is not readable JSON");
    }
    return headers;
  }

  private BadRowException badHeaders(String what) {
    return new BadRowException(
        "column %s %s; it must be a JSON object of names to strings, at most 64 KiB each"
            .formatted(columns.get(Column.HEADERS), what));
  }

  /** Log neutralisation: a name from a row must not start a line of its own. */
  private static String quote(String name) {
    String cut = name.length() > 64 ? name.substring(0, 64) : name;
    return "'" + cut.replaceAll("\\p{Cntrl}", "?") + "'";
  }

  private static @Nullable Instant instant(@Nullable Object value) {
    try {
      return value == null ? null : Instant.parse(value.toString());
    } catch (DateTimeException infinite) {
      return null;
    }
  }
}
