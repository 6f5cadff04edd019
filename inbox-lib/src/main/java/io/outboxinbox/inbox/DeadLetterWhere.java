package io.outboxinbox.inbox;

import io.outboxinbox.inbox.DeadLetter.State;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A filter as the WHERE of a statement, with its parameters. */
final class DeadLetterWhere {
  /** As the index has it; an entry holds 2,700 bytes in PostgreSQL, and 3,072 in MySQL. */
  private static final int INDEXED_CHARACTERS = 200;

  private interface Parameter {
    void bind(PreparedStatement statement, int index, InboxTable types) throws SQLException;
  }

  private final StringBuilder sql = new StringBuilder();
  private final List<Parameter> parameters = new ArrayList<>();

  private DeadLetterWhere() {}

  static DeadLetterWhere of(String consumer, DeadLetterFilter filter) {
    DeadLetterWhere where = new DeadLetterWhere();
    where.text("consumer = ?", consumer);
    where.text("topic = ?", filter.topic());
    byte @Nullable [] key = filter.key();
    if (key != null) {
      where.and(
          "record_key_hash = ?", (s, i, types) -> types.setKey(s, i, DeadLetters.hashOf(key)));
    }
    State state = filter.state();
    where.text("state = ?", state == null ? null : state.column());
    where.text("reason = ?", filter.reason());
    MessageId id = filter.messageId();
    if (id != null) {
      String text = StoredText.escaped(id.text());
      int length = text.codePointCount(0, text.length());
      // By the key only that of one source would be found. Index inbox_dead_letter_message has the
      // beginning of the text: PostgreSQL knows it by the second condition, MySQL by the first.
      where.text("message_id = ?", text);
      where.text(
          "left(message_id, " + INDEXED_CHARACTERS + ") = ?",
          text.substring(0, text.offsetByCodePoints(0, Math.min(length, INDEXED_CHARACTERS))));
      // MySQL takes texts for equal that differ in blanks at their end.
      where.and("char_length(message_id) = ?", (s, i, types) -> s.setInt(i, length));
    }
    where.time("created_at >= ?", filter.createdFrom());
    where.time("created_at < ?", filter.createdBefore());
    return where;
  }

  /** Above the one id and up to the other. */
  DeadLetterWhere between(long afterId, long untilId) {
    and("dead_letter_id > ?", (s, i, types) -> s.setLong(i, afterId));
    and("dead_letter_id <= ?", (s, i, types) -> s.setLong(i, untilId));
    return this;
  }

  DeadLetterWhere butNot(String reason) {
    and("(reason IS NULL OR reason <> ?)", (s, i, types) -> s.setString(i, reason));
    return this;
  }

  String sql() {
    return sql.toString();
  }

  /** Binds all parameters and returns the index of the next. */
  int bind(PreparedStatement statement, InboxTable types) throws SQLException {
    int index = 1;
    for (Parameter parameter : parameters) {
      parameter.bind(statement, index++, types);
    }
    return index;
  }

  private void text(String condition, @Nullable String value) {
    if (value != null) {
      and(condition, (s, i, types) -> s.setString(i, value));
    }
  }

  private void time(String condition, @Nullable Instant value) {
    if (value != null) {
      and(condition, (s, i, types) -> types.setTime(s, i, value));
    }
  }

  private void and(String condition, Parameter parameter) {
    sql.append(parameters.isEmpty() ? " WHERE " : " AND ").append(condition);
    parameters.add(parameter);
  }
}
