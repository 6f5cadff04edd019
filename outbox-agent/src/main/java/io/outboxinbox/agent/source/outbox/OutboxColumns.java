package io.outboxinbox.agent.source.outbox;

import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Objects;
import java.util.Set;

/**
 * Which types the outbox table's columns may have, the preferred one first, and how to add a
 * missing one. Types are base types as pg_type names them, {@code enum} for every enumeration.
 */
public final class OutboxColumns {
  private static final Set<String> TEXTS = ordered("text", "varchar", "bpchar", "citext", "enum");
  private static final Set<String> NAMES =
      ordered("text", "varchar", "bpchar", "citext", "enum", "uuid", "int2", "int4", "int8");

  /** What has one obvious spelling as text; numeric and timestamps have several. */
  public static final Set<String> EXTRA_TYPES =
      ordered(
          "text", "varchar", "bpchar", "citext", "enum", "uuid", "int2", "int4", "int8", "bool");

  private OutboxColumns() {}

  private static Set<String> ordered(String... types) {
    return Collections.unmodifiableSet(new LinkedHashSet<>(Arrays.asList(types)));
  }

  /** The name of a mapped column, quoted for SQL. */
  public static String quoted(OutboxTable table, Column column) {
    return Identifiers.quoted(
        Objects.requireNonNull(table.mappedColumns().get(column), column.name()));
  }

  /**
   * A time as an instant: without a zone it is UTC, as the log reads it, whatever the session's.
   */
  public static String instant(String column, String type) {
    return column + (type.contains("without time zone") ? " AT TIME ZONE 'UTC'" : "");
  }

  /**
   * A value as the log and messages have it. Not {@code ::text}, which takes the blanks off the end
   * of a char(n).
   */
  public static String logText(String column) {
    return "pg_catalog.concat(" + column + ")";
  }

  public static Set<String> typesOf(Column column) {
    return switch (column) {
      case ID, AGGREGATE_ID -> NAMES;
      case AGGREGATE_TYPE, EVENT_TYPE, CONTENT_TYPE, TOPIC -> TEXTS;
      case PAYLOAD -> ordered("jsonb", "json", "text", "varchar", "bytea");
      case HEADERS -> ordered("jsonb", "json");
      // timestamp(0) to timestamp(3) would arrive in milliseconds, the others in microseconds.
      case OCCURRED_AT -> ordered("timestamptz", "timestamp");
    };
  }

  public static String preferredOf(Set<String> types) {
    return types.iterator().next();
  }

  public static String listed(Set<String> types) {
    return String.join(", ", types);
  }

  /** Type and default that make the column addable to a table with rows. */
  public static String definitionOf(Column column) {
    return switch (column) {
      case ID -> "uuid NOT NULL DEFAULT gen_random_uuid()";
      case AGGREGATE_TYPE, AGGREGATE_ID, EVENT_TYPE, CONTENT_TYPE, TOPIC -> "text";
      case PAYLOAD -> "jsonb";
      case HEADERS -> "jsonb NOT NULL DEFAULT '{}'";
      case OCCURRED_AT -> "timestamptz NOT NULL DEFAULT now()";
    };
  }
}
