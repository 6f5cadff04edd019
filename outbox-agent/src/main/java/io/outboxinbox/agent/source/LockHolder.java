package io.outboxinbox.agent.source;

import io.outboxinbox.agent.event.OneLine;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A session, or a prepared transaction, that holds a lock another one waits for.
 *
 * @param pid 0 for a prepared transaction
 * @param role null where it has just gone
 * @param application name it gave itself
 * @param address it comes from; null where the server does not say
 * @param prepared name of the prepared transaction; null for a session
 * @param isOurs whether it logged in as this agent did; an agent may end only such a session
 * @param waitsForReplica whether its commit waits for a synchronous standby
 */
public record LockHolder(
    int pid,
    @Nullable String role,
    String application,
    @Nullable String address,
    @Nullable String prepared,
    boolean isOurs,
    boolean waitsForReplica) {

  /**
   * Every other one of this database that holds or wants a lock.
   *
   * @param condition tells which, of row {@code l} of {@code pg_locks}
   * @param parameters of the condition
   */
  public static List<LockHolder> others(
      Connection connection, String condition, Object... parameters) throws SQLException {
    String sql =
        """
        SELECT DISTINCT coalesce(l.pid, 0) AS pid, coalesce(a.usename, p.owner) AS role,
          coalesce(a.application_name, '') AS application, host(a.client_addr) AS address,
          p.gid AS prepared, coalesce(a.usename = current_user, false) AS is_ours,
          coalesce(a.wait_event = 'SyncRep', false) AS waits_for_replica
        FROM pg_locks l
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
          AND x.virtualtransaction = l.virtualtransaction
        LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
        WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND l.pid IS DISTINCT FROM pg_backend_pid() AND (l.pid IS NOT NULL OR p.gid IS NOT NULL)
          AND %s
        """
            .formatted(condition);
    return CatalogQuery.list(connection, sql, Sql.as(LockHolder.class), parameters);
  }

  /** For a message. */
  public String name() {
    return OneLine.of(
        prepared == null
            ? "process %d (role %s, application '%s')".formatted(pid, role, application)
            : "prepared transaction '%s' of role %s".formatted(prepared, role));
  }

  /** Whether an agent works on it, which lets go as soon as it can. */
  private boolean isAgent() {
    return isOurs && application.startsWith(SourceConnections.APPLICATION);
  }

  private String end() {
    return prepared == null
        ? "SELECT pg_terminate_backend(%d);".formatted(pid)
        : "ROLLBACK PREPARED %s;".formatted(Identifiers.literal(prepared));
  }

  /** All of them, for a message. */
  public static String names(List<LockHolder> holders) {
    return holders.stream().map(LockHolder::name).collect(Collectors.joining(", "));
  }

  /**
   * What makes them let go, in one line as a log has it: statements, which run as they are, and
   * nothing but patience for an agent's own.
   */
  public static String ends(List<LockHolder> holders) {
    List<LockHolder> agents = holders.stream().filter(LockHolder::isAgent).toList();
    String ends =
        holders.stream()
            .filter(holder -> !holder.isAgent())
            .map(LockHolder::end)
            .collect(Collectors.joining(" "));
    return Stream.of(
            agents.isEmpty() ? "" : "wait for %s, an agent's own".formatted(names(agents)),
            ends.isEmpty()
                ? ""
                : "/* once you know what it is, as that role or a superuser */ " + ends)
        .filter(step -> !step.isEmpty())
        .collect(Collectors.joining("; "));
  }

  /** What to tell of a statement that has waited too long for a lock, and whom to look for. */
  static String explanation(String schema) {
    return "another session has locked what has to be changed; fix: wait for an agent's own; end the transaction of any other; this names it: "
        + query(schema);
  }

  /**
   * A query for an operator to run, which shows who may keep a statement of the agent waiting, who
   * began first on top: whoever has locked rows of its tables, builds an index or has a table to
   * himself. Whoever has a row locked holds a lock on its table too. Of all other tables, such as
   * the outbox and its partitions, only the strongest lock is in the way. Rows without a process
   * are of transactions that were prepared.
   *
   * @param schema of the agent's tables and the outbox
   */
  private static String query(String schema) {
    return """
        SELECT l.relation::regclass, l.mode, l.pid, a.usename, a.application_name, a.state, a.query \
        FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
        WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND c.relnamespace = '%s'::regnamespace \
        AND (l.mode = 'AccessExclusiveLock' \
        OR l.mode <> 'AccessShareLock' AND c.relname IN (%s)) \
        AND l.pid IS DISTINCT FROM pg_backend_pid() ORDER BY a.xact_start;"""
        .formatted(
            Identifiers.quoted(schema),
            AgentTables.names().stream().collect(Collectors.joining("', '", "'", "'")));
  }
}
