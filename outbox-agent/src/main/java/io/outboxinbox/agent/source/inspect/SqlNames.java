package io.outboxinbox.agent.source.inspect;

import java.util.List;

/**
 * Names quoted by the server, ready to be printed in SQL for an operator.
 *
 * @param table the one looked at, with its schema
 * @param tables all of the source, in the order of the configuration
 */
record SqlNames(
    String role,
    String database,
    String schema,
    String publication,
    String table,
    List<String> tables) {

  boolean isOneOfSeveral() {
    return tables.size() > 1;
  }

  SqlNames withTable(String other) {
    return new SqlNames(role, database, schema, publication, other, tables);
  }
}
