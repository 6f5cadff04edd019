package io.outboxinbox.agent.source.inspect;

/**
 * Names quoted by the server, ready to be printed in SQL for an operator.
 *
 * @param table with its schema
 */
record SqlNames(String role, String database, String schema, String table, String publication) {}
