package io.outboxinbox.agent.replay;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.Destination.Header;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.Replayer;
import io.outboxinbox.agent.route.Router;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.outbox.PageLimit;
import io.outboxinbox.agent.source.outbox.StoredRows;
import io.outboxinbox.agent.source.slot.PassedBound;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.table.ParkedIds;
import io.outboxinbox.agent.source.table.ParkedIds.Kept;
import io.outboxinbox.agent.source.table.TablePositions;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Publishes events of the table again because an operator asks for it, beside whatever agent leads:
 * at least once, in the order of ids, marked with header {@link HeaderNames#REPLAY_ID}. Such
 * messages carry no sequence number: a consumer that keeps a watermark must not take an old event
 * for a new place in the stream.
 */
public final class Replay {

  private static final Set<String> LEFT_OUT =
      Set.of("ce_sequence", "ce_epoch", "outbox_sequence", "outbox_epoch");

  /** Room for some of the largest events; a page is held in memory. */
  private static final PageLimit PAGE_MAX = new PageLimit(500, 8L << 20);

  /** What goes to the broker at once: a slow one must be able to take it in time. A guess. */
  private static final long PORTION_BYTES = 256 << 10;

  /** For ever: a large table takes as long as it takes, and whoever waits can end it. */
  private static final int ANSWER_SECONDS = 0;

  private static final int REFUSALS_KEPT_MAX = 20;

  /**
   * What is to be published.
   *
   * @param table whose rows; null for the only one
   * @param topic instead of the event's own; null for the original one
   * @param perSecond events, at least 1
   * @param after id behind which to begin; null for the first
   */
  public record Order(
      String id,
      @Nullable String table,
      StoredRows.Selection selection,
      @Nullable String topic,
      int perSecond,
      @Nullable String after) {}

  /**
   * How far it is.
   *
   * @param published confirmed by the broker
   * @param refused faulty rows, and what route or broker do not take
   * @param parked left out: they wait to be published for the first time
   * @param discarded left out: an operator has decided that they are not to be published
   * @param unpublished left out: the agent may not have published them for the first time
   * @param lastId behind which to go on: every row up to it was dealt with, also those that share
   *     it; null before the first
   */
  public record Progress(
      long published,
      long refused,
      long parked,
      long discarded,
      long unpublished,
      @Nullable String lastId) {
    static final Progress NONE = new Progress(0, 0, 0, 0, 0, null);

    public long rows() {
      return published + refused + parked + discarded + unpublished;
    }

    private Progress plus(Progress more) {
      return new Progress(
          published + more.published,
          refused + more.refused,
          parked + more.parked,
          discarded + more.discarded,
          unpublished + more.unpublished,
          lastId);
    }

    private Progress behind(String id) {
      return new Progress(published, refused, parked, discarded, unpublished, id);
    }
  }

  private final PipelineConfiguration pipeline;
  private final SourceConfiguration source;
  private Router router;
  private final List<String> refusals = new ArrayList<>();
  private final Set<String> found = new HashSet<>();
  private Progress progress = Progress.NONE;

  public Replay(PipelineConfiguration pipeline) {
    this.pipeline = pipeline;
    this.source = pipeline.source();
    this.router = pipeline.router();
  }

  /**
   * Counts the rows an order is about.
   *
   * @throws AgentException.Misconfigured the order can never be carried out
   * @throws AgentException.Retryable the database is away
   */
  public long count(Order order) {
    OutboxTable table = table(order);
    try (Connection connection = new SourceConnections(source).open("replay", ANSWER_SECONDS)) {
      return new StoredRows(table, 0).count(connection, order.selection(), order.after());
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** One at a time: an id alone is no place in several tables to go on from. */
  private OutboxTable table(Order order) {
    List<OutboxTable> outboxes = source.outboxes();
    String fix = "add --table with one of these: " + source.tableNames();
    if (order.table() == null && outboxes.size() > 1) {
      throw new AgentException.Misconfigured("source.tables has several tables", fix);
    }
    OutboxTable table =
        outboxes.stream()
            .filter(outbox -> order.table() == null || outbox.name().equals(order.table()))
            .findFirst()
            .orElseThrow(
                () ->
                    new AgentException.Misconfigured(
                        "table %s is not configured".formatted(order.table()), fix));
    if (order.topic() != null) {
      router.requireTopic(table.name(), order.topic());
    }
    return table;
  }

  /**
   * Publishes; to be called once. However it ends, {@link #progress} tells how far it came.
   *
   * @param watcher told after each portion
   * @throws AgentException.Misconfigured the order can never be carried out
   * @throws AgentException.Retryable database or broker is away; go on with {@code after} set to
   *     the last id
   */
  public Progress run(Order order, Consumer<Progress> watcher) throws InterruptedException {
    OutboxTable table = table(order);
    Pace pace = new Pace(order.perSecond(), System::nanoTime);
    try (Connection connection = new SourceConnections(source).open("replay", ANSWER_SECONDS);
        Replayer replayer = pipeline.publish().newReplayer()) {
      SourceIdentity identity = SourceNames.identify(connection, pipeline.source());
      router = router.forSource(identity);
      StoredRows rows = new StoredRows(table, endedXid(connection, identity, table));
      @Nullable String after = order.after();
      List<StoredRows.Stored> page = rows.page(connection, order.selection(), after, limit(order));
      while (!page.isEmpty()) {
        List<String> ids = page.stream().map(StoredRows.Stored::id).toList();
        if (!order.selection().ids().isEmpty()) {
          found.addAll(ids);
        }
        Map<String, Kept> parked = ParkedIds.among(connection, table, ids);
        after = ids.get(ids.size() - 1);
        List<StoredRows.Stored> rest = page;
        while (!rest.isEmpty()) {
          int portion = portion(rest, pace.portion());
          publish(order, rest.subList(0, portion), parked, replayer, pace);
          rest = rest.subList(portion, rest.size());
          // Only a page surely ends behind all rows that share an id, or are equal by its type.
          progress = rest.isEmpty() ? progress.behind(after) : progress;
          watcher.accept(progress);
        }
        page = rows.page(connection, order.selection(), after, limit(order));
      }
      return progress;
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** About a second of work: what is cut short begins again at its page. */
  private static PageLimit limit(Order order) {
    return new PageLimit(Math.min(order.perSecond(), PAGE_MAX.rows()), PAGE_MAX.bytes());
  }

  /** How many of the rows go together, at least one. */
  private static int portion(List<StoredRows.Stored> rows, int eventsMax) {
    int count = 0;
    long bytes = 0;
    while (count < Math.min(rows.size(), eventsMax) && bytes < PORTION_BYTES) {
      @Nullable OutboxEvent event = rows.get(count++).event();
      byte[] payload = event == null ? null : event.payload();
      bytes += payload == null ? 0 : payload.length;
    }
    return count;
  }

  public Progress progress() {
    return progress;
  }

  /** How many of the ids that were named are in the table; several rows may share one. */
  public int idsFound() {
    return found.size();
  }

  /** The first reasons why events were refused, never a payload. */
  public List<String> refusals() {
    return List.copyOf(refusals);
  }

  /**
   * What the agent that leads has surely published; asked without disturbing it. The server may
   * have been restored since: then ids below that of the position were given out once more.
   */
  private long endedXid(Connection connection, SourceIdentity identity, OutboxTable table)
      throws SQLException {
    Optional<Checkpoint> position;
    try (Publisher publisher =
        pipeline.publish().newPublisher(new TablePositions(connection, pipeline.source()))) {
      position =
          publisher.allCheckpoints().stream()
              .filter(checkpoint -> checkpoint.source().equals(identity))
              .findFirst();
    }
    return position.isEmpty()
        ? StoredRows.NO_POSITION
        : PassedBound.of(
                connection,
                new SourceConnections(source),
                SourceNames.resolved(connection, source),
                ServerState.of(connection),
                position.get())
            .endedXid(table);
  }

  private void publish(
      Order order,
      List<StoredRows.Stored> rows,
      Map<String, Kept> parked,
      Replayer replayer,
      Pace pace)
      throws InterruptedException {
    List<RoutedEvent> events = new ArrayList<>();
    long refused = 0;
    long unpublished = 0;
    Map<Kept, Long> kept = new EnumMap<>(Kept.class);
    for (StoredRows.Stored row : rows) {
      @Nullable Kept why = parked.get(row.id());
      if (why != null) {
        kept.merge(why, 1L, Long::sum);
      } else if (!row.isPublished()) {
        unpublished++;
      } else {
        @Nullable RoutedEvent event = routed(order, row, replayer);
        if (event == null) {
          refused++;
        } else {
          events.add(event);
        }
      }
    }
    long published = events.size();
    if (!events.isEmpty()) {
      TimeUnit.NANOSECONDS.sleep(pace.waitBefore(events.size()));
      List<String> refusedByBroker = replayer.send(events);
      refusedByBroker.forEach(this::keepRefusal);
      refused += refusedByBroker.size();
      published -= refusedByBroker.size();
    }
    long waiting = kept.getOrDefault(Kept.WAITING, 0L);
    long discarded = kept.getOrDefault(Kept.DISCARDED, 0L);
    progress =
        progress.plus(new Progress(published, refused, waiting, discarded, unpublished, null));
  }

  private @Nullable RoutedEvent routed(Order order, StoredRows.Stored row, Replayer replayer) {
    @Nullable OutboxEvent event = row.event();
    if (event == null) {
      keepRefusal("row " + row.id() + " of the outbox is no event: " + row.fault());
      return null;
    }
    try {
      RoutedEvent routed = marked(order.id(), router.route(numberless(event, order.topic())));
      replayer.check(routed);
      return routed;
    } catch (AgentException.RejectedEvent e) {
      keepRefusal(String.valueOf(e.getMessage()));
      return null;
    }
  }

  /** The number is never sent; the time of the commit is not in the table. */
  private static SequencedEvent numberless(OutboxEvent event, @Nullable String topic) {
    OutboxEvent addressed = topic == null ? event : withTopic(event, topic);
    return new SequencedEvent(addressed, SourcePosition.atCommit(1), Instant.now(), 0, 0);
  }

  private static OutboxEvent withTopic(OutboxEvent event, String topic) {
    return new OutboxEvent(
        event.table(),
        event.id(),
        event.aggregateType(),
        event.aggregateId(),
        event.eventType(),
        event.payload(),
        event.contentType(),
        event.headers(),
        topic,
        event.occurredAt(),
        event.extra());
  }

  private static RoutedEvent marked(String replayId, RoutedEvent routed) {
    Destination to = routed.destination();
    List<Header> headers = new ArrayList<>();
    for (Header header : to.headers()) {
      if (!LEFT_OUT.contains(header.name())) {
        headers.add(header);
      }
    }
    headers.add(new Header(HeaderNames.REPLAY_ID, replayId.getBytes(StandardCharsets.UTF_8)));
    return new RoutedEvent(routed.sequenced(), new Destination(to.topic(), to.key(), headers));
  }

  private void keepRefusal(String reason) {
    if (refusals.size() < REFUSALS_KEPT_MAX) {
      refusals.add(reason);
    }
  }

  private AgentException failed(SQLException e) {
    String message = "database %s: %s".formatted(source.database(), ServerMessage.of(e, source));
    String state = e.getSQLState() == null ? "" : e.getSQLState();
    // 22: a value that cannot be what it should, such as an id that is no UUID.
    return state.startsWith("22")
        ? new AgentException.Misconfigured(message, "correct the ids")
        : new AgentException.Retryable(message, e);
  }
}
