package io.outboxinbox.agent.source;

import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One table that a source reads.
 *
 * @param name as the catalog has it, as {@code schema}
 * @param columns names that differ from the layout's
 * @param extraColumns further columns to read, for templates
 */
public record OutboxTable(
    String schema,
    String name,
    Layout layout,
    Map<Column, String> columns,
    List<String> extraColumns,
    ExistingRows existingRows) {
  /** The table of {@code schema/postgresql/01_outbox.sql}, the only one its functions know. */
  public static final String OURS = "outbox_event";

  /** Schema and name, quoted for SQL. */
  public String qualified() {
    return Identifiers.qualified(schema, name);
  }

  /**
   * A condition, true where a name is surely that of another table, which is there. What has no
   * name, or one that no table has any more, may be of this one under a name of before.
   *
   * @param name in SQL
   */
  public String isOther(String name) {
    return "(%1$s <> %2$s AND %3$s) IS TRUE"
        .formatted(name, Identifiers.literal(this.name), exists(schema, name));
  }

  /** A condition, true where a schema has a table of a name, in SQL. */
  public static String exists(String schema, String name) {
    return "pg_catalog.to_regclass(%s || pg_catalog.quote_ident(%s)) IS NOT NULL"
        .formatted(Identifiers.literal(Identifiers.quoted(schema) + "."), name);
  }

  /** Whether it is made as the schema's files make it, with partitions that can be dropped. */
  public boolean isOurs() {
    return name.equals(OURS) && layout == Layout.STANDARD;
  }

  /** Every column we read, by meaning: the layout's, changed by {@code columns}. */
  public Map<Column, String> mappedColumns() {
    Map<Column, String> mapped = new EnumMap<>(layout.columns());
    mapped.putAll(columns);
    return mapped;
  }

  /** The names of all columns we read, in the same order each time. */
  public Set<String> columnsRead() {
    Set<String> names = new LinkedHashSet<>(mappedColumns().values());
    names.addAll(extraColumns);
    return names;
  }
}
