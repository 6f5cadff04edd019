package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.OutboxTable;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/**
 * The functions that make and drop partitions: they act with the rights of their owner, and only
 * the owner of a table may add a partition to it or drop one.
 */
final class PartitionsPreflight {
  /**
   * What has to change hands so that one role owns table, partitions and functions: the table's
   * owner. Roles that are members of the owner, and superusers, do as well.
   */
  private static final String STRANGERS =
      """
      WITH outbox AS (
        SELECT c.oid, c.relowner AS owner, n.oid AS namespace, n.nspname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = ? AND c.relname = ? AND c.relkind = 'p'
      ), functions AS (
        SELECT f.proowner AS owner,
               pg_catalog.format('ALTER FUNCTION %I.%I(%s) OWNER TO %I', o.nspname, f.proname,
                      pg_get_function_identity_arguments(f.oid), pg_get_userbyid(o.owner)) AS fix
          FROM outbox o JOIN pg_proc f ON f.pronamespace = o.namespace
         WHERE f.proname IN ('outbox_partitions_create', 'outbox_partitions_drop') AND f.prosecdef
      ), tables AS (
        SELECT o.owner, NULL AS fix FROM outbox o
        UNION ALL
        SELECT c.relowner,
               pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, pg_get_userbyid(o.owner))
          FROM outbox o JOIN pg_inherits i ON i.inhparent = o.oid
          JOIN pg_class c ON c.oid = i.inhrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
      ), rights AS (
        SELECT pg_catalog.format('GRANT CREATE ON SCHEMA %I TO %I', o.nspname, pg_get_userbyid(o.owner)) AS fix
          FROM outbox o WHERE NOT has_schema_privilege(o.owner, o.namespace, 'CREATE')
      ), faults AS (
        SELECT DISTINCT f.owner AS acts, t.owner AS owns FROM functions f, tables t
         WHERE NOT pg_has_role(f.owner, t.owner, 'USAGE')
      ), fixes AS (
        SELECT 1 AS step, fix FROM rights
        UNION ALL
        SELECT 2, f.fix FROM functions f, outbox o WHERE NOT pg_has_role(f.owner, o.owner, 'USAGE')
        UNION ALL
        SELECT 3, t.fix FROM tables t, outbox o WHERE NOT pg_has_role(o.owner, t.owner, 'USAGE')
      )
      SELECT (SELECT string_agg(DISTINCT quote_ident(pg_get_userbyid(acts)), ', ') FROM faults) AS acts,
             (SELECT string_agg(DISTINCT quote_ident(pg_get_userbyid(owns)), ', ') FROM faults) AS owns,
             (SELECT string_agg(fix, '; ' ORDER BY step, fix) FROM fixes) AS fix
       WHERE EXISTS (SELECT FROM faults)
      """;

  private PartitionsPreflight() {}

  static List<Finding> check(Connection connection, OutboxTable outbox, SqlNames names)
      throws SQLException {
    if (!outbox.name().equals(OutboxTable.OURS)) {
      return List.of();
    }
    return CatalogQuery.list(
        connection,
        STRANGERS,
        row ->
            Finding.warning(
                "functions outbox_partitions_create and outbox_partitions_drop act with the rights of %s, but %s or partitions of it belong to %s: no partitions are made ahead and none can be dropped"
                    .formatted(row.getString("acts"), names.table(), row.getString("owns")),
                row.getString("fix")),
        outbox.schema(),
        outbox.name());
  }
}
