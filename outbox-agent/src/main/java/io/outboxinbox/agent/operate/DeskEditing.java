package io.outboxinbox.agent.operate;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.OneLine;
import io.outboxinbox.agent.operate.DeskChange.Field;
import io.outboxinbox.agent.source.Sql;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Corrects one parked event and keeps what it was before. Its connection is in a transaction that
 * the caller ends.
 */
record DeskEditing(DeskTable table, DeskRequests requests) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int KEY_CHARS_MAX = 60;

  private static final String PAYLOAD = "payload";
  private static final String HEADERS = "headers";
  private static final String EXTRA = "extra";

  /** A column's new and old value, as the table stores them. */
  private record Edited(@Nullable Object before, @Nullable Object after) {
    boolean isChange() {
      return !Objects.deepEquals(before, after);
    }

    byte @Nullable [] beforeBytes() {
      return before == null || before instanceof byte[]
          ? (byte[]) before
          : before.toString().getBytes(StandardCharsets.UTF_8);
    }
  }

  /**
   * Makes the change and writes down who did it, when, why, and what was there before.
   *
   * @return names of the columns that changed; empty if all of them had that value already
   * @throws AgentException.Misconfigured it would change the key unasked, or makes no sense
   */
  List<String> apply(long ordinal, DeskChange change, String by, String reason)
      throws SQLException {
    // The leader takes rows for publishing with an update: it waits for us, or we find release set.
    String sql =
        """
        SELECT key, event_id, aggregate_type, aggregate_id, event_type, content_type, topic,
          headers, payload, extra::text AS extra, source_table
        FROM %s WHERE source = ? AND ordinal = ? AND state = 'waiting' AND release IS NULL
        FOR UPDATE
        """
            .formatted(table.name());
    Optional<Map<String, Edited>> found =
        Sql.first(table.connection(), sql, row -> edited(row, change), table.sourceId(), ordinal);
    if (found.isEmpty()) {
      throw requests.refusal(ordinal, 1);
    }
    Map<String, Edited> edited = found.get();
    if (!edited.isEmpty()) {
      keepOld(ordinal, edited, by, reason);
      update(ordinal, edited);
    }
    return List.copyOf(edited.keySet());
  }

  private Map<String, Edited> edited(ResultSet row, DeskChange change) throws SQLException {
    Map<String, Edited> edited = new LinkedHashMap<>();
    for (Map.Entry<Field, String> value : change.values().entrySet()) {
      String column = value.getKey().column();
      @Nullable String before = row.getString(column);
      if (value.getKey() == Field.EVENT_ID && before != null && !before.isEmpty()) {
        throw new AgentException.Misconfigured(
            "the event has an id, and consumers tell repeats by it",
            "leave --id out; an event with another id is another event: insert it as a new row and discard this one");
      }
      edited.put(column, new Edited(before, value.getValue()));
    }
    if (change.isTopicRemoved()) {
      edited.put(Field.TOPIC.column(), new Edited(row.getString("topic"), null));
    }
    if (change.touchesHeaders()) {
      @Nullable String before = row.getString(HEADERS);
      edited.put(HEADERS, new Edited(before, headers(before, change)));
    }
    if (!change.columns().isEmpty()) {
      String before = row.getString(EXTRA);
      edited.put(EXTRA, new Edited(before, extra(before, change)));
    }
    if (change.payload() != null) {
      edited.put(PAYLOAD, new Edited(row.getBytes(PAYLOAD), change.payload()));
    }
    edited.values().removeIf(value -> !value.isChange());
    refuseOtherKey(row, edited, change);
    return edited;
  }

  private static String headers(@Nullable String before, DeskChange change) {
    ObjectNode headers = change.areHeadersCleared() ? JSON.createObjectNode() : object(before);
    for (String name : change.removedHeaders()) {
      if (headers.remove(name) == null) {
        throw new AgentException.Misconfigured(
            "the event has no header '%s'".formatted(OneLine.of(name, KEY_CHARS_MAX)),
            "see 'parked show' for their names");
      }
    }
    change.headers().forEach(headers::put);
    return headers.toString();
  }

  private static ObjectNode object(@Nullable String json) {
    try {
      JsonNode node = json == null ? JSON.createObjectNode() : JSON.readTree(json);
      if (node instanceof ObjectNode object) {
        return object;
      }
    } catch (JsonProcessingException notJson) {
      // Said below; the parser's message may quote a credential.
    }
    throw new AgentException.Misconfigured(
        "the event's headers are no JSON object, so single ones can neither be set nor removed",
        "add --clear-headers to begin with none");
  }

  private static String extra(String before, DeskChange change) {
    ObjectNode columns = object(before);
    change.columns().forEach(columns::put);
    return columns.toString();
  }

  private void refuseOtherKey(ResultSet row, Map<String, Edited> edited, DeskChange change)
      throws SQLException {
    @Nullable String key = row.getString("key");
    if (key == null || change.mayChangeKey()) {
      return;
    }
    Set<String> keyColumns = table.templates().keyColumns(row.getString("source_table"));
    List<String> touched = new ArrayList<>();
    for (Field field : Field.values()) {
      if (edited.containsKey(field.column()) && keyColumns.contains(field.templateName())) {
        touched.add(field.column());
      }
    }
    change.columns().keySet().stream().filter(keyColumns::contains).forEach(touched::add);
    if (!touched.isEmpty()) {
      throw new AgentException.Misconfigured(
          "%s makes the message key: the event would leave the order of key '%s' and come at the end of another's"
              .formatted(String.join(", ", touched), OneLine.of(key, KEY_CHARS_MAX)),
          "add --change-key if nobody relies on that order; it still waits in the queue of its old key until it is released");
    }
  }

  private void keepOld(long ordinal, Map<String, Edited> edited, String by, String reason)
      throws SQLException {
    String sql =
        """
        INSERT INTO %s (source, ordinal, edited_at, edited_by, reason, field, before)
        VALUES (?, ?, now(), ?, ?, ?, ?)
        """
            .formatted(table.edits());
    List<@Nullable Object[]> rows = new ArrayList<>();
    edited.forEach(
        (field, value) ->
            rows.add(
                new @Nullable Object[] {
                  table.sourceId(), ordinal, by, reason, field, value.beforeBytes()
                }));
    Sql.batch(table.connection(), sql, rows);
  }

  private void update(long ordinal, Map<String, Edited> edited) throws SQLException {
    String assignments =
        edited.keySet().stream()
            .map(column -> column + (column.equals(EXTRA) ? " = ?::jsonb" : " = ?"))
            .collect(Collectors.joining(", "));
    String sql =
        "UPDATE %s SET %s WHERE source = ? AND ordinal = ?".formatted(table.name(), assignments);
    List<@Nullable Object> values = new ArrayList<>();
    edited.values().forEach(value -> values.add(value.after()));
    values.addAll(List.of(table.sourceId(), ordinal));
    Sql.update(table.connection(), sql, values.toArray());
  }
}
