package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
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
  static String quoted(SourceConfiguration source, Column column) {
    return Identifiers.quoted(name(source, column));
  }

  private static String name(SourceConfiguration source, Column column) {
    return Objects.requireNonNull(source.mappedColumns().get(column), column.name());
  }

  /**
   * The type of a column as SQL writes it, to cast to: without its length, as a cast to that would
   * cut what is longer, and of a domain the type beneath.
   *
   * @throws SQLException as the server says, or the table has no such column
   */
  static String typeOf(Connection connection, SourceConfiguration source, Column column)
      throws SQLException {
    String table = Identifiers.qualified(source.schema(), source.table());
    String name = name(source, column);
    return CatalogQuery.list(
            connection,
            """
            SELECT format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, -1)
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = ?::regclass AND a.attname = ?
            """,
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

  /**
   * A value as the log and messages have it. Not {@code ::text}, which takes the blanks off the end
   * of a char(n).
   */
  static String logText(String column) {
    return "pg_catalog.concat(" + column + ")";
  }

  /**
   * A condition, true where a column has a value as people or the log write it.
   *
   * @param type as {@link #typeOf} tells it
   * @param value text, in SQL; may be none that the type takes
   */
  static String isSame(String column, String type, String value) {
    return switch (type) {
      // With the type of the column, so that its index serves.
      case "text", "character varying", "bpchar" -> "%s = %s::%s".formatted(column, value, type);
      default -> "%s = %s".formatted(logText(column), value);
    };
  }

  /**
   * A condition, true where a column has a text that was written down as the log has it. What a
   * type, a collation or blanks make equal, and is not the same text, is another value.
   *
   * @param value text, in SQL, that the type takes
   */
  static String isExactly(String column, String type, String value) {
    // The column's own type first, so that its index serves; then the text decides, byte by byte.
    // By no operator that could be hashed: the server would hash the text of the whole table.
    return "%s = %s::%s AND %s COLLATE pg_catalog.\"C\" IS NOT DISTINCT FROM %2$s"
        .formatted(column, value, type, logText(column));
  }

  /**
   * The same for several texts, as people write them.
   *
   * @param values array of text, in SQL, that is put in twice; the type takes each of them
   */
  static String isExactlyOneOf(String column, String type, String values) {
    return "%s = ANY(%s::%s[]) AND %s COLLATE pg_catalog.\"C\" = ANY(ARRAY(SELECT %s FROM pg_catalog.unnest(%2$s::%3$s[]) AS named(value)))"
        .formatted(column, values, type, logText(column), logText("named.value"));
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
