package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sql;
import java.sql.Array;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Columns {@code topics} of table {@code outbox_agent_source}: where a source's events may have
 * gone under configurations of before. Kept in the database, because it is asked for when the
 * position is lost.
 */
public final class ReachedTopics {

  /**
   * What is known.
   *
   * @param until names and patterns with {@code *} to when they were in use; null while they are
   * @param knownSince events published earlier may have gone elsewhere; null when there are none
   * @param formerIds of the source, under which messages were published
   */
  public record Reached(
      Map<String, @Nullable Instant> until, @Nullable Instant knownSince, List<String> formerIds) {

    /** Names and patterns in use at a time or later; all of them for null. */
    public Set<String> since(@Nullable Instant time) {
      return until.entrySet().stream()
          .filter(
              used -> time == null || used.getValue() == null || !used.getValue().isBefore(time))
          .map(Map.Entry::getKey)
          .collect(Collectors.toSet());
    }

    /** Whether events published at a time or later may have gone to topics that nobody noted. */
    public boolean isIncompleteSince(@Nullable Instant time) {
      return knownSince != null && (time == null || time.isBefore(knownSince));
    }
  }

  private final String table;

  public ReachedTopics(SourceConfiguration source) {
    this.table = Identifiers.qualified(source.schema(), "outbox_agent_source");
  }

  /**
   * Notes where events may go from now on. To be called before any is published. Writes only what
   * is new, since a commit may have to wait for a synchronous standby.
   *
   * @param leader the leader's connection: an agent that was replaced must not say what is in use
   */
  public void note(Connection leader, String sourceId, List<String> topics) throws SQLException {
    String sql =
        """
        UPDATE %s SET
          topics_since = CASE WHEN topics IS NULL AND seeded_at IS NOT NULL
            THEN clock_timestamp() ELSE topics_since END,
          topics = coalesce(
              (SELECT pg_catalog.jsonb_object_agg(key, CASE value WHEN 'null'::jsonb
                 THEN pg_catalog.to_jsonb(clock_timestamp()) ELSE value END)
               FROM jsonb_each(topics) WHERE key <> ALL (?)), '{}')
            || (SELECT pg_catalog.jsonb_object_agg(topic, 'null'::jsonb) FROM pg_catalog.unnest(?) topic)
        WHERE source = ?
          AND ARRAY(SELECT key FROM jsonb_each(topics) WHERE value = 'null'::jsonb ORDER BY key)
            IS DISTINCT FROM ARRAY(SELECT DISTINCT topic FROM pg_catalog.unnest(?) topic ORDER BY topic)
        """
            .formatted(table);
    Array texts = leader.createArrayOf("text", topics.toArray());
    Sql.update(leader, sql, texts, texts, sourceId, texts);
  }

  /** What has been noted. */
  public Reached find(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        SELECT topic.key, (topic.value #>> '{}')::timestamptz AS until, source.topics_since,
          source.former_ids
        FROM %s source, jsonb_each(source.topics) topic WHERE source.source = ?
        """
            .formatted(table);
    Map<String, @Nullable Instant> until = new HashMap<>();
    Set<String> formerIds = new HashSet<>();
    List<Optional<Instant>> since =
        CatalogQuery.list(
            connection,
            sql,
            row -> {
              until.put(row.getString(1), Sql.instant(row, "until"));
              formerIds.addAll(CatalogQuery.texts(row, "former_ids"));
              return Optional.ofNullable(Sql.instant(row, "topics_since"));
            },
            sourceId);
    return new Reached(
        until, since.isEmpty() ? Instant.MAX : since.get(0).orElse(null), List.copyOf(formerIds));
  }
}
