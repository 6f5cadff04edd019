package io.outboxinbox.agent.capture;

import io.outboxinbox.agent.capture.SourceConfiguration.Column;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Objects;
import java.util.Set;

/**
 * Which types the outbox table's columns may have, the preferred one first, and how to add a
 * missing one. Types are base types as pg_type names them, {@code enum} for every enumeration.
 */
final class OutboxColumns {
  private static final Set<String> TEXTS = ordered("text", "varchar", "bpchar", "citext", "enum");
  private static final Set<String> NAMES =
      ordered("text", "varchar", "bpchar", "citext", "enum", "uuid", "int2", "int4", "int8");

  /** What has one obvious spelling as text; numeric and timestamps have several. */
  static final Set<String> EXTRA_TYPES =
      ordered(
          "text", "varchar", "bpchar", "citext", "enum", "uuid", "int2", "int4", "int8", "bool");

  private OutboxColumns() {}

  private static Set<String> ordered(String... types) {
    return Collections.unmodifiableSet(new LinkedHashSet<>(Arrays.asList(types)));
  }

  /**
   * The type of a column as SQL writes it, to cast to.
   *
   * @throws SQLException as the server says, or the table has no such column
   */
  static String typeOf(Connection connection, SourceConfiguration source, Column column)
      throws SQLException {
    String table = Identifiers.qualified(source.schema(), source.table());
    String name = Objects.requireNonNull(source.mappedColumns().get(column), column.name());
    return CatalogQuery.list(
            connection,
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = ?::regclass AND attname = ?",
            row -> row.getString(1),
            table,
            name)
        .stream()
        .findFirst()
        .orElseThrow(
            () ->
                new SQLException(
                    "table %s has no column %s".formatted(table, Identifiers.quoted(name))));
  }

  /**
   * A time as an instant: without a zone it is UTC, as the log reads it, whatever the session's.
   */
  static String instant(String column, String type) {
    return column + (type.contains("without time zone") ? " AT TIME ZONE 'UTC'" : "");
  }

  static Set<String> typesOf(Column column) {
    return switch (column) {
      case ID, AGGREGATE_ID -> NAMES;
      case AGGREGATE_TYPE, EVENT_TYPE, CONTENT_TYPE, TOPIC -> TEXTS;
      case PAYLOAD -> ordered("jsonb", "json", "text", "varchar", "bytea");
      case HEADERS -> ordered("jsonb", "json");
      // timestamp(0) to timestamp(3) would arrive in milliseconds, the others in microseconds.
      case OCCURRED_AT -> ordered("timestamptz", "timestamp");
    };
  }

  static String preferredOf(Set<String> types) {
    return types.iterator().next();
  }

  static String listed(Set<String> types) {
    return String.join(", ", types);
  }

  /** Type and default that make the column addable to a table with rows. */
  static String definitionOf(Column column) {
    return switch (column) {
      case ID -> "uuid NOT NULL DEFAULT gen_random_uuid()";
      case AGGREGATE_TYPE, AGGREGATE_ID, EVENT_TYPE, CONTENT_TYPE, TOPIC -> "text";
      case PAYLOAD -> "jsonb";
      case HEADERS -> "jsonb NOT NULL DEFAULT '{}'";
      case OCCURRED_AT -> "timestamptz NOT NULL DEFAULT now()";
    };
  }
}
