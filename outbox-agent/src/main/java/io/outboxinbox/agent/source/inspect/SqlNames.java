package io.outboxinbox.agent.source.inspect;

/**
 * Names quoted by the server, ready to be printed in SQL for an operator.
 *
 * @param table the one looked at, with its schema
 * @param tables all of the source, separated by commas
 */
record SqlNames(
    String role, String database, String schema, String publication, String table, String tables) {

  boolean isOneOfSeveral() {
    return !table.equals(tables);
  }

  SqlNames withTable(String other) {
    return new SqlNames(role, database, schema, publication, other, tables);
  }
}
