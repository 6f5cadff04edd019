package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Slots that PostgreSQL 17 and later copies to standbys, so that they survive a promotion. */
public final class FailoverSlot {
  private static final int SINCE = 17;

  /** What the standby must be told cannot be seen from here, so it is said with every fix. */
  private static final String ON_THE_STANDBY =
      "on the standby: sync_replication_slots = on, hot_standby_feedback = on, and dbname in primary_conninfo";

  private static final String FACTS =
      """
      SELECT nullif(current_setting('synchronized_standby_slots', true), '') AS waited_for,
             (SELECT string_agg(p.slot_name, ',' ORDER BY p.slot_name) FROM pg_replication_slots p
               WHERE p.slot_type = 'physical' AND p.active) AS standbys,
             (SELECT (pg_catalog.to_jsonb(s) ->> 'failover')::boolean FROM pg_replication_slots s
               WHERE s.slot_name = ?) AS is_failover
      """;

  private record Facts(
      @Nullable String waitedFor, @Nullable String standbys, @Nullable Boolean isFailover) {}

  private FailoverSlot() {}

  /** What to add to the command that creates a slot; nothing before PostgreSQL 17. */
  static String option(Connection connection, SourceConfiguration source) throws SQLException {
    return isWanted(connection, source) ? " (FAILOVER true)" : "";
  }

  private static boolean isWanted(Connection connection, SourceConfiguration source)
      throws SQLException {
    return source.failoverSlot() && connection.getMetaData().getDatabaseMajorVersion() >= SINCE;
  }

  /** What keeps the slot from surviving a promotion, as far as the primary shows it. */
  public static List<Finding> check(Connection connection, SourceConfiguration source)
      throws SQLException {
    if (!isWanted(connection, source)) {
      return List.of();
    }
    Facts facts = CatalogQuery.one(connection, FACTS, Sql.as(Facts.class), source.slot());
    Finding.Collector findings = new Finding.Collector();
    if (Boolean.FALSE.equals(facts.isFailover())) {
      findings.warning(
          "slot %s was made without failover: a promoted standby will not have it"
              .formatted(source.slot()),
          "stop the agents, then with psql 'dbname=%s replication=database': ALTER_REPLICATION_SLOT %s (FAILOVER true); %s; or set source.failoverSlot to false"
              .formatted(source.database(), Identifiers.quoted(source.slot()), ON_THE_STANDBY));
    }
    if (facts.standbys() != null && facts.waitedFor() == null) {
      findings.warning(
          "synchronized_standby_slots is empty: events may be published that a standby (%s) does not have when it is promoted"
              .formatted(facts.standbys()),
          "ALTER SYSTEM SET synchronized_standby_slots = %s; SELECT pg_reload_conf(); /* %s */"
              .formatted(Identifiers.literal(facts.standbys()), ON_THE_STANDBY));
    }
    return findings.found();
  }
}
