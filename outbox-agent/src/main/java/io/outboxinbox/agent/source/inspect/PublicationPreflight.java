package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Nearest;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.inspect.TablePreflight.Relation;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The publication: what it leaves out is in no stream and raises no error. */
final class PublicationPreflight {
  /**
   * The view knows FOR ALL TABLES, FOR TABLES IN SCHEMA and publishing through the root. Its
   * columns differ between versions, hence jsonb: a column list and row filters exist from 15 on.
   */
  private static final String FACTS =
      """
      WITH sent AS MATERIALIZED (
        SELECT c.oid AS relid, pg_catalog.to_jsonb(t) AS facts
          FROM pg_publication_tables t
          JOIN pg_namespace n ON n.nspname = t.schemaname
          JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
         WHERE t.pubname = ?
      ), outbox AS (SELECT CAST(? AS bigint)::oid AS relid)
      SELECT p.pubinsert AS inserts,
             p.pubviaroot AS via_root,
             p.puballtables AS all_tables,
             p.pubupdate OR p.pubdelete OR p.pubtruncate AS more_than_inserts,
             s.relid IS NOT NULL AS has_table,
             s.facts ->> 'rowfilter' AS row_filter,
             ARRAY(SELECT a.attname::text FROM pg_attribute a
                    WHERE a.attrelid = s.relid AND a.attnum > 0 AND NOT a.attisdropped
                      AND a.attgenerated = ''
                      AND NOT s.facts -> 'attnames' @> pg_catalog.to_jsonb(a.attname::text)
                    ORDER BY a.attnum) AS hidden_columns,
             EXISTS (SELECT FROM pg_partition_tree(o.relid) t
                       JOIN sent l ON l.relid = t.relid
                      WHERE t.relid <> o.relid) AS has_partition,
             (SELECT pg_catalog.format('%I.%I', an.nspname, ac.relname)
                FROM pg_partition_ancestors(o.relid) a
                JOIN sent l ON l.relid = a.relid
                JOIN pg_class ac ON ac.oid = a.relid
                JOIN pg_namespace an ON an.oid = ac.relnamespace
               WHERE a.relid <> o.relid
               LIMIT 1) AS sent_as
        FROM pg_publication p
       CROSS JOIN outbox o
        LEFT JOIN sent s ON s.relid = o.relid
       WHERE p.pubname = ?
      """;

  private static final String NAMES = "SELECT pubname FROM pg_publication ORDER BY pubname";

  private record Facts(
      boolean inserts,
      boolean viaRoot,
      boolean allTables,
      boolean moreThanInserts,
      boolean hasTable,
      @Nullable String rowFilter,
      List<String> hiddenColumns,
      boolean hasPartition,
      @Nullable String sentAs) {}

  private PublicationPreflight() {}

  static List<Finding> check(
      Connection connection,
      SourceConfiguration config,
      OutboxTable outbox,
      SqlNames names,
      Optional<Relation> relation)
      throws SQLException {
    long oid = relation.map(Relation::oid).orElse(0L);
    List<Facts> facts =
        CatalogQuery.list(
            connection,
            FACTS,
            Sql.as(Facts.class),
            config.publication(),
            oid,
            config.publication());
    if (facts.isEmpty()) {
      return List.of(missing(connection, config, names));
    }
    return relation.isEmpty()
        ? List.of()
        : check(facts.get(0), outbox, names, relation.get().isPartitioned());
  }

  private static Finding missing(Connection connection, SourceConfiguration config, SqlNames names)
      throws SQLException {
    List<String> present = CatalogQuery.list(connection, NAMES, row -> row.getString("pubname"));
    return Finding.misconfigured(
        "publication %s does not exist in database %s%s"
            .formatted(
                config.publication(),
                config.database(),
                Nearest.hint(config.publication(), present)),
        "CREATE PUBLICATION %s FOR TABLE %s WITH (publish = 'insert', publish_via_partition_root = true); /* if there was one before, what was written meanwhile is a gap: %s */"
            .formatted(names.publication(), String.join(", ", names.tables()), WayOut.RECONCILE));
  }

  private static List<Finding> check(
      Facts facts, OutboxTable outbox, SqlNames names, boolean isPartitioned) {
    Finding.Collector findings = new Finding.Collector();
    if (!facts.inserts()) {
      findings.misconfigured(
          "publication %s does not publish inserts: new rows are in no stream"
              .formatted(names.publication()),
          "ALTER PUBLICATION %s SET (publish = 'insert')".formatted(names.publication()));
    }
    if (isPartitioned && !facts.viaRoot()) {
      findings.misconfigured(
          "publication %s sends rows of partitioned table %s under the partitions' names, where nobody looks for them"
              .formatted(names.publication(), names.table()),
          "ALTER PUBLICATION %s SET (publish_via_partition_root = true)"
              .formatted(names.publication()));
    }
    checkMembership(findings, facts, names, isPartitioned);
    checkFilters(findings, facts, outbox, names);
    return findings.orOk(
        "publication %s sends inserts into %s%s"
            .formatted(
                names.publication(),
                names.table(),
                facts.moreThanInserts() ? ", and other changes, which are skipped" : ""));
  }

  private static void checkMembership(
      Finding.Collector findings, Facts facts, SqlNames names, boolean isPartitioned) {
    if (facts.hasTable()) {
      return;
    }
    if (facts.sentAs() != null) {
      findings.misconfigured(
          "publication %s sends the rows of %s as rows of its parent %s"
              .formatted(names.publication(), names.table(), facts.sentAs()),
          "set source.schema and source.table to " + facts.sentAs());
      return;
    }
    // Without publishing through the root the view shows partitions only; that is said already,
    // unless the root itself was never added and only single partitions were.
    boolean isHiddenByPartitions = isPartitioned && !facts.viaRoot() && facts.hasPartition();
    if (!isHiddenByPartitions && !facts.allTables()) {
      findings.misconfigured(
          "table %s is not in publication %s%s: rows written meanwhile are in no stream"
              .formatted(
                  names.table(),
                  names.publication(),
                  facts.hasPartition() ? ", only single partitions are" : ""),
          "ALTER PUBLICATION %s ADD TABLE %s; /* then what was written meanwhile is a gap: %s */"
              .formatted(names.publication(), names.table(), WayOut.RECONCILE));
    }
  }

  private static void checkFilters(
      Finding.Collector findings, Facts facts, OutboxTable outbox, SqlNames names) {
    String fix =
        "ALTER PUBLICATION %s DROP TABLE %s; ALTER PUBLICATION %s ADD TABLE %s"
            .formatted(names.publication(), names.table(), names.publication(), names.table());
    if (facts.rowFilter() != null) {
      findings.misconfigured(
          "publication %s has a row filter on %s: rows outside it are never published"
              .formatted(names.publication(), names.table()),
          fix);
    }
    Set<String> needed = outbox.columnsRead();
    needed.retainAll(facts.hiddenColumns());
    if (!needed.isEmpty()) {
      findings.misconfigured(
          "publication %s has a column list on %s without %s"
              .formatted(names.publication(), names.table(), String.join(", ", needed)),
          fix);
    }
  }
}
