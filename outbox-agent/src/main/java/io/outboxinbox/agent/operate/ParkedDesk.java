package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.InTransaction;
import io.outboxinbox.agent.source.LockLimit;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.outbox.Outboxes;
import java.io.IOException;
import java.io.OutputStream;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where people look at the parked events of one source and say what is to become of them. On a
 * connection of its own, each call in a transaction of its own. Used by one thread; close it.
 *
 * <p>Every method may throw {@link AgentException.Retryable} when the database is away, and {@link
 * AgentException.Misconfigured} when the table is missing, the role may not, or what is asked for
 * cannot be: then nothing was changed, but by a purge, which says how far it came.
 */
public final class ParkedDesk implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ParkedDesk.class);

  /** Short transactions, so that a purge never holds up the leader. */
  private static final int PURGE_ROWS = 1_000;

  private static final String NO_RIGHT = "42501";

  /** What a look can say that comes after a request. */
  private static final String REQUESTED = "what was requested stands";

  /** A leader writes its sign of life every second or so. */
  private static final String LEADS =
      "SELECT coalesce(pulsed_at > clock_timestamp() - interval '30 seconds', false) FROM %s WHERE"
          + " source = ?";

  private final SourceConfiguration source;
  private final Connection connection;
  private final String sourceId;
  private final DeskLook look;
  private final DeskRequests requests;
  private final DeskEditing editing;

  /**
   * How much there is.
   *
   * @param events all of them
   * @param culprits those that wait with a fault of their own
   * @param behind those that wait because of an earlier one; the others are settled
   * @param keys different ones
   * @param oldest when the first was parked; null if there is none
   */
  public record Totals(
      long events, long culprits, long behind, long keys, @Nullable Instant oldest) {}

  /**
   * What the route makes of rows.
   *
   * @param tables at least one; if there is one, it counts for all rows
   */
  public record Templates(List<OfTable> tables) {
    /**
     * Of the rows of one table.
     *
     * @param topic template of the topic
     * @param key template of the message key
     */
    public record OfTable(String table, String topic, String key) {
      private Set<String> keyColumns() {
        return DeskWhere.COLUMN
            .matcher(key)
            .results()
            .map(match -> match.group(1))
            .collect(Collectors.toSet());
      }
    }

    /** For all rows, whatever their table is called. */
    public Templates(String topic, String key) {
      this(List.of(new OfTable("", topic, key)));
    }

    /** As the configuration says. */
    public static Templates of(PipelineConfiguration pipeline) {
      Map<String, String> keys = pipeline.keyTemplates();
      return new Templates(
          pipeline.topicTemplates().entrySet().stream()
              .map(
                  topic ->
                      new OfTable(
                          topic.getKey(), topic.getValue(), keys.getOrDefault(topic.getKey(), "")))
              .toList());
    }

    boolean areOfSeveral() {
      return tables.size() > 1;
    }

    /** The table of an event, as SQL; NULL for the only one. */
    String otherTableSql() {
      return areOfSeveral()
          ? "source_table"
          : "nullif(source_table, %s)".formatted(Identifiers.literal(tables.get(0).table()));
    }

    /** Where an event would go, as SQL; NULL for one of a table that is not configured. */
    String topicSql() {
      if (!areOfSeveral()) {
        return DeskWhere.topicSql(tables.get(0).topic());
      }
      return tables.stream()
          .map(
              one ->
                  " WHEN %s THEN %s"
                      .formatted(Identifiers.literal(one.table()), DeskWhere.topicSql(one.topic())))
          .collect(Collectors.joining("", "CASE source_table", " END"));
    }

    /**
     * Columns the message key of a table's rows is made of, as templates call them; of every table
     * where that one is not known.
     */
    Set<String> keyColumns(@Nullable String table) {
      List<OfTable> its = tables.stream().filter(one -> one.table().equals(table)).toList();
      return (its.isEmpty() ? tables : its)
          .stream().flatMap(one -> one.keyColumns().stream()).collect(Collectors.toSet());
    }
  }

  private ParkedDesk(
      SourceConfiguration source, Templates templates, Connection connection, String sourceId) {
    DeskTable table = new DeskTable(connection, source.schema(), sourceId, templates);
    this.source = source;
    this.connection = connection;
    this.sourceId = sourceId;
    this.look = new DeskLook(table);
    this.requests = new DeskRequests(table);
    this.editing = new DeskEditing(table, requests);
  }

  /**
   * Connects.
   *
   * @param answerSeconds how long the database may take for one answer
   */
  public static ParkedDesk open(
      SourceConfiguration source, Templates templates, int answerSeconds) {
    try {
      Connection connection = new SourceConnections(source).open("parked", answerSeconds);
      try {
        String id = SourceNames.identify(connection, source).id();
        return new ParkedDesk(source, templates, connection, id);
      } catch (SQLException | RuntimeException e) {
        connection.close();
        throw e;
      }
    } catch (SQLException e) {
      throw explained(e, source, null);
    }
  }

  /** The source whose events these are. */
  public String sourceId() {
    return sourceId;
  }

  /**
   * Reads a page, in order.
   *
   * @param after number of the last event of the page before, 0 for the first page
   */
  public List<DeskEntry> list(DeskFilter filter, long after, int limit) {
    return ask(() -> look.list(filter, after, limit));
  }

  public Totals totals(DeskFilter filter) {
    return ask(() -> look.totals(filter));
  }

  /** How many by topic, most first, at most {@code limit}. */
  public Map<String, Long> countsByTopic(DeskFilter filter, int limit) {
    return ask(() -> look.countsByTopic(filter, limit));
  }

  /** How many by reason, most first, at most {@code limit}. */
  public Map<String, Long> countsByReason(DeskFilter filter, int limit) {
    return ask(() -> look.countsByReason(filter, limit));
  }

  /** Waiting events of other sources, such as of the database before it was moved, by source. */
  public Map<String, Long> waitingElsewhere() {
    return ask(look::waitingElsewhere);
  }

  public Optional<DeskDetail> find(long ordinal) {
    return ask(() -> look.find(ordinal));
  }

  /**
   * Copies a payload as it is.
   *
   * @return false for a tombstone, and when there is no such event
   * @throws IOException {@code to} takes no more
   */
  public boolean copyPayload(long ordinal, OutputStream to) throws IOException {
    Optional<byte[]> payload = ask(() -> look.payload(ordinal));
    if (payload.isPresent()) {
      to.write(payload.get());
    }
    return payload.isPresent();
  }

  /** What became of requests; events that are gone are not among them. In order. */
  public List<DeskEntry> outcomes(Collection<Long> ordinals) {
    return ask(() -> look.outcomes(ordinals), REQUESTED);
  }

  /** Whether an agent has lately shown a sign of life; without one, what was requested waits. */
  public boolean isLed() {
    String sql = LEADS.formatted(Identifiers.qualified(source.schema(), "outbox_agent_source"));
    return ask(
        () -> Sql.first(connection, sql, row -> row.getBoolean(1), sourceId).orElse(false),
        REQUESTED);
  }

  /**
   * Asks for release.
   *
   * @param by who asks
   */
  public DeskAnswer release(DeskSelection selection, String by) {
    return ask(
        () ->
            selection instanceof DeskSelection.Matching matching
                ? requests.release(matching.filter(), by)
                : requests.release((DeskSelection.Ordinals) selection, by));
  }

  /** Asks that events be given up for ever. */
  public DeskAnswer discard(DeskSelection.Ordinals selection, String by, String reason) {
    return ask(() -> requests.discard(selection, by, reason));
  }

  /** Takes requests back. */
  public DeskAnswer cancel(DeskSelection selection) {
    return ask(() -> requests.cancel(selection));
  }

  /**
   * Corrects an event.
   *
   * @return names of the columns that changed; empty if they had these values already
   */
  public List<String> edit(long ordinal, DeskChange change, String by, String reason) {
    return ask(() -> editing.apply(ordinal, change, by, reason));
  }

  /**
   * Deletes what was settled long ago, and the story of its edits; never what waits. Of a discarded
   * event the id stays as long as its row is in the outbox.
   *
   * @return how many events
   */
  public long purge(Duration olderThan) {
    Instant before = now().minus(olderThan);
    String isInOutbox = isInOutbox();
    long deleted = 0;
    int portion;
    do {
      @Nullable String done =
          deleted == 0 ? null : "%,d events were purged before and stay so".formatted(deleted);
      portion = ask(() -> purgePortion(before, isInOutbox), done);
      deleted += portion;
    } while (portion == PURGE_ROWS);
    return deleted;
  }

  private int purgePortion(Instant before, String isInOutbox) throws SQLException {
    try {
      return requests.purge(before, PURGE_ROWS, isInOutbox);
    } catch (SQLException e) {
      if (NO_RIGHT.equals(e.getSQLState())) {
        throw new AgentException.Misconfigured(
            "%s: %s".formatted(at(source), ServerMessage.of(e, source)),
            "set source.username to the agent's own role, \"outbox_agent\": of those that schema/postgresql/05_roles.sql makes, it alone may delete parked events");
      }
      throw e;
    }
  }

  /** How many events a purge would be about now; changes nothing. */
  public long countPurgeable(Duration olderThan) {
    Instant before = now().minus(olderThan);
    String isInOutbox = isInOutbox();
    return ask(() -> requests.countPurgeable(before, isInOutbox));
  }

  private String isInOutbox() {
    return ask(
        () ->
            new Outboxes(source.outboxes())
                .contains(connection, "parked.source_table", "parked.event_id"));
  }

  /** The database's time: that of the rows, whatever this host's clock says. */
  private Instant now() {
    return ask(() -> Sql.one(connection, "SELECT now()", row -> row.getTimestamp(1).toInstant()));
  }

  private <T> T ask(InTransaction.Statements<T> question) {
    return ask(question, null);
  }

  /**
   * Asks in a transaction.
   *
   * @param done before, and not undone by a failure; null for nothing
   */
  private <T> T ask(InTransaction.Statements<T> question, @Nullable String done) {
    try {
      return InTransaction.run(connection, question);
    } catch (SQLException e) {
      throw explained(e, source, done);
    }
  }

  private static String at(SourceConfiguration source) {
    return "database %s on %s:%d".formatted(source.database(), source.host(), source.port());
  }

  private static AgentException explained(
      SQLException e, SourceConfiguration source, @Nullable String done) {
    String at = at(source);
    @Nullable String before = done == null && LockLimit.isOver(e) ? "nothing was changed" : done;
    String state = e.getSQLState() == null ? "" : e.getSQLState();
    return switch (state) {
      case "42P01" ->
          new AgentException.Misconfigured(
              "%s has no table outbox_parked in schema %s".formatted(at, source.schema()),
              "apply schema/postgresql/04_agent.sql to it, or correct source.schema");
      case NO_RIGHT ->
          new AgentException.Misconfigured(
              "%s: %s".formatted(at, ServerMessage.of(e, source)),
              "apply schema/postgresql/05_roles.sql, then as superuser: GRANT outbox_controller TO %s"
                  .formatted(Identifiers.quoted(source.username())));
      case "28P01", "28000", "3D000" ->
          new AgentException.Misconfigured(
              "%s: %s".formatted(at, ServerMessage.of(e, source)), "see what 'check' says of it");
      default ->
          new AgentException.Retryable(
              "%s: %s%s"
                  .formatted(at, before == null ? "" : before + ": ", ServerMessage.of(e, source)),
              e);
    };
  }

  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      LOG.debug("closing the connection failed", e);
    }
  }
}
