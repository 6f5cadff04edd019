package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.LongText;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Conditions on table {@code outbox_parked} with their parameters, in order. */
final class DeskWhere {
  /** A column in a template of the route. */
  static final Pattern COLUMN = Pattern.compile("\\{([^{}]+)}");

  private final StringBuilder sql = new StringBuilder();
  private final List<Object> parameters = new ArrayList<>();

  private DeskWhere() {}

  static DeskWhere source(String sourceId) {
    DeskWhere where = new DeskWhere();
    where.sql.append("source = ?");
    where.parameters.add(sourceId);
    return where;
  }

  /** Adds a condition whose question marks stand for {@code values}. */
  DeskWhere and(String condition, Object... values) {
    sql.append(" AND ").append(condition);
    parameters.addAll(List.of(values));
    return this;
  }

  /**
   * Adds what a filter asks for.
   *
   * @param topicSql as {@link #topicSql} makes it
   */
  DeskWhere matching(DeskFilter filter, String topicSql) {
    switch (filter.state()) {
      case WAITING -> and("state = 'waiting'");
      case REQUESTED -> and("state = 'waiting' AND requested IS NOT NULL");
      case RELEASED -> and("state = 'released'");
      case DISCARDED -> and("state = 'discarded'");
      case ALL -> {
        // No condition.
      }
    }
    given("source_table = ?", filter.table());
    if (filter.key() != null) {
      and(LongText.isSame("key", "?"), filter.key(), filter.key());
    }
    given(topicSql + " = ?", filter.topic());
    given("event_type = ?", filter.type());
    given("position(lower(?) IN lower(reason)) > 0", filter.reason());
    given("parked_at >= ?", filter.since() == null ? null : Timestamp.from(filter.since()));
    return this;
  }

  private void given(String condition, @Nullable Object value) {
    if (value != null) {
      and(condition, value);
    }
  }

  String sql() {
    return sql.toString();
  }

  /** Its values, with those of what stands before and behind it. */
  @Nullable Object[] values(List<@Nullable Object> before, Object... behind) {
    return Stream.of(before, parameters, List.of(behind)).flatMap(List::stream).toArray();
  }

  /** The same with nothing before it. */
  @Nullable Object[] values(Object... behind) {
    return values(List.of(), behind);
  }

  /**
   * Where an event would go, as SQL.
   *
   * @param template the route's topic, checked by the configuration: of plain characters and
   *     columns in braces
   */
  static String topicSql(String template) {
    String parts =
        COLUMN
            .matcher(template)
            .replaceAll(
                column ->
                    Matcher.quoteReplacement("' || " + columnSql(column.group(1)) + " || '"));
    return "coalesce(topic, '" + parts + "')";
  }

  private static String columnSql(String column) {
    return switch (column) {
      case "id" -> "event_id";
      case "aggregate_type", "aggregate_id", "event_type" -> Identifiers.quoted(column);
      default -> "(extra ->> " + Identifiers.literal(column) + ")";
    };
  }
}
