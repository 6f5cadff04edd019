package io.outboxinbox.agent.capture;

/** Whose locks keep others from the agent's tables, as a query for an operator to run. */
public final class LockHolders {
  private LockHolders() {}

  /**
   * Shows who may keep a statement on parked events waiting, who began first on top: whoever has
   * locked one of them, builds an index or has the table to himself. Whoever has a row locked holds
   * a lock on its table too. Of all other tables, such as the outbox and its partitions, parked
   * events are only compared with what is in them, and for that only the strongest lock is in the
   * way. Rows without a process are of transactions that were prepared.
   *
   * @param schema of the agent's tables and the outbox
   */
  public static String query(String schema) {
    return """
        SELECT l.relation::regclass, l.mode, l.pid, a.state, a.query \
        FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
        WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND c.relnamespace = '%s'::regnamespace \
        AND (c.relname IN ('outbox_parked', 'outbox_parked_edit') OR l.mode = 'AccessExclusiveLock') \
        AND l.pid IS DISTINCT FROM pg_backend_pid() ORDER BY a.xact_start"""
        .formatted(Identifiers.quoted(schema));
  }
}
