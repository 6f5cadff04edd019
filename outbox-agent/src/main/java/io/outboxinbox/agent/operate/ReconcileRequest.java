package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.reconcile.Unhealable;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.outbox.Candidates;
import io.outboxinbox.agent.source.outbox.Outboxes;
import io.outboxinbox.agent.source.slot.PassedBound;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.agent.source.table.Reconciliations.Phantom;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.agent.source.table.Reconciliations.Request;
import io.outboxinbox.agent.source.table.SourceMove;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.agent.source.table.TablePositions;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What an operator does about a gap: looks, asks the agents for a reconciliation, and reads what it
 * did. Takes nothing over; the leading agent does the work.
 */
public final class ReconcileRequest {
  /** For ever: a large table takes as long as it takes, and whoever waits can end it. */
  private static final int ANSWER_TIMEOUT_SECONDS = 0;

  private static final String PURPOSE = "reconcile";

  private final PipelineConfiguration pipeline;
  private final Reconciliations reconciliations;
  private final String by;

  /**
   * Makes one that is not yet connected.
   *
   * @param by names the operator in the report
   */
  public ReconcileRequest(PipelineConfiguration pipeline, String by) {
    this.pipeline = pipeline;
    this.reconciliations = new Reconciliations(pipeline.source());
    this.by = by;
  }

  /**
   * What a reconciliation would find, before the topics are searched.
   *
   * @param causes why one is needed; empty when position and log fit together
   * @param tables in the order of the configuration
   * @param refusal why the agents would refuse it, and what to do; null when they would not
   */
  public record Preview(
      String source,
      String slot,
      List<String> causes,
      List<OfTable> tables,
      @Nullable String refusal) {
    public long rowsInTable() {
      return tables.stream().mapToLong(OfTable::rows).sum();
    }

    public long candidates() {
      return tables.stream().mapToLong(OfTable::candidates).sum();
    }
  }

  /**
   * One table in a preview.
   *
   * @param candidates rows that may not have been published
   * @param knowsPublished whether of the others it is known that they are, or need not be
   */
  public record OfTable(String name, long rows, long candidates, boolean knowsPublished) {}

  /**
   * Looks, and changes nothing.
   *
   * @param acceptedCluster as in {@link #ask}
   * @throws AgentException.Retryable database or broker is away
   * @throws AgentException.Misconfigured something has to be mended first
   */
  public Preview preview(@Nullable String acceptedCluster) {
    SourceConnections connections = new SourceConnections(pipeline.source());
    try (Connection connection = connections.open(PURPOSE, ANSWER_TIMEOUT_SECONDS);
        Publisher publisher =
            pipeline.publish().newPublisher(new TablePositions(connection, pipeline.source()))) {
      PositionCheck.Look look = PositionCheck.look(connection, pipeline, publisher);
      SourceConfiguration source = look.source();
      PassedBound bound =
          PassedBound.of(
              connection, connections, source, look.server(), look.checkpoint().orElse(null));
      List<Finding> findings = PositionCheck.findings(connection, pipeline, look);
      refuseMisconfigured(findings);
      Optional<String> fatal = fatal(findings, look, acceptedCluster);
      Optional<String> refusal = fatal.isPresent() ? fatal : unhealable(connection, look, bound);
      return new Preview(
          look.identity().id(),
          source.slot(),
          causes(findings),
          tables(connection, source, bound),
          refusal.map(text -> WayOut.of(pipeline.name(), text)).orElse(null));
    } catch (SQLException e) {
      throw SourcePause.failed(pipeline.source(), e);
    }
  }

  private static List<OfTable> tables(
      Connection connection, SourceConfiguration source, PassedBound bound) throws SQLException {
    List<OfTable> tables = new ArrayList<>();
    for (OutboxTable table : source.outboxes()) {
      Outboxes outbox = new Outboxes(List.of(table));
      tables.add(
          new OfTable(
              table.name(),
              outbox.count(connection),
              outbox.count(connection, bound::candidates),
              !bound.candidates(table).equals(Candidates.ALL)));
    }
    return tables;
  }

  /** What keeps the agents stopped, asked or not, but for a cluster of before that is accepted. */
  private static Optional<String> fatal(
      List<Finding> findings, PositionCheck.Look look, @Nullable String acceptedCluster) {
    boolean isAccepted =
        acceptedCluster != null
            && look.checkpoints().stream()
                .map(Checkpoint::source)
                .anyMatch(look.identity().onCluster(acceptedCluster)::equals);
    return findings.stream()
        .filter(finding -> finding.severity() == Finding.Severity.FATAL && !isAccepted)
        .map(finding -> finding.what() + "; fix: " + finding.fix())
        .findFirst();
  }

  private static Optional<String> unhealable(
      Connection connection, PositionCheck.Look look, PassedBound bound) throws SQLException {
    Optional<String> own =
        new SourceRegistry(look.source())
            .ownSlot(connection, look.identity().id(), look.checkpoint().orElse(null));
    try {
      new Unhealable(look.source(), look.identity())
          .refuse(connection, look.slot().isPresent(), own, bound);
      return Optional.empty();
    } catch (AgentException.Misconfigured refused) {
      return Optional.of(String.valueOf(refused.getMessage()));
    }
  }

  private static void refuseMisconfigured(List<Finding> findings) {
    for (Finding finding : findings) {
      if (finding.severity() == Finding.Severity.MISCONFIGURED) {
        throw new AgentException.Misconfigured(finding.what(), finding.fix());
      }
    }
  }

  private static List<String> causes(List<Finding> findings) {
    return findings.stream()
        .filter(
            finding ->
                finding.severity() == Finding.Severity.GAP
                    || finding.severity() == Finding.Severity.FATAL)
        .map(Finding::what)
        .toList();
  }

  /**
   * Asks the agents of the source for a reconciliation; they begin within seconds, also those that
   * are stopped.
   *
   * @param acceptedCluster system identifier of the cluster this database was before; null when it
   *     is the same
   * @return the request, to wait for
   * @throws AgentException.Retryable the database is away
   */
  public Request ask(@Nullable String acceptedCluster) {
    try (Connection connection =
        new SourceConnections(pipeline.source()).open(PURPOSE, ANSWER_TIMEOUT_SECONDS)) {
      SourceIdentity identity = SourceNames.identify(connection, pipeline.source());
      // Together: an agent that sees the request must see the pause.
      connection.setAutoCommit(false);
      Request request = reconciliations.ask(connection, identity.id(), by, acceptedCluster);
      if (acceptedCluster != null && !acceptedCluster.equals(identity.systemId())) {
        String former = identity.onCluster(acceptedCluster).id();
        new SourceMove(pipeline.source(), former, identity.id()).pause(connection);
      }
      connection.commit();
      return request;
    } catch (SQLException e) {
      throw SourcePause.failed(pipeline.source(), e);
    }
  }

  /**
   * The report of a request, once it is done.
   *
   * @throws AgentException.Fatal there will never be one
   * @throws AgentException.Retryable the database is away
   */
  public Optional<Report> reportOf(Request request) {
    return ask(
        (connection, source) -> {
          // First: an agent takes it away only once its report is there.
          Optional<Request> asked = reconciliations.request(connection, source);
          List<Report> reports =
              reconciliations.list(connection, source).stream()
                  .filter(report -> request.at().equals(report.requestedAt()))
                  .toList();
          boolean mayCome =
              asked.filter(open -> open.at().equals(request.at())).isPresent()
                  || reports.stream().anyMatch(Report::isUnfinished);
          Optional<Report> done =
              reports.stream().filter(report -> report.state().equals("done")).findFirst();
          if (done.isEmpty() && !mayCome) {
            throw neverReported(request, asked);
          }
          return done;
        });
  }

  private AgentException neverReported(Request request, Optional<Request> asked) {
    String why =
        asked
            .map(other -> "%s has asked again at %s".formatted(other.by(), other.at()))
            .orElse(
                "it was taken back, such as by a reset, or another reconciliation has taken its place");
    return new AgentException.Fatal(
        "the reconciliation of pipeline %s that was asked for at %s will have no report: %s"
            .formatted(pipeline.name(), request.at(), why),
        WayOut.of(pipeline.name(), WayOut.REPORT_COMMAND) + " lists what was done");
  }

  /**
   * All reports, the newest first.
   *
   * @throws AgentException.Retryable the database is away
   */
  public List<Report> reports() {
    return ask(reconciliations::list);
  }

  /**
   * Events consumers have and the table has not.
   *
   * @param limit how many at most
   * @throws AgentException.Retryable the database is away
   */
  public List<Phantom> phantoms(Report report, int limit) {
    return ask(
        (connection, source) ->
            reconciliations.phantoms(connection, source, report.number(), limit));
  }

  private interface Question<T> {
    T ask(Connection connection, String source) throws SQLException;
  }

  private <T> T ask(Question<T> question) {
    try (Connection connection =
        new SourceConnections(pipeline.source()).open(PURPOSE, ANSWER_TIMEOUT_SECONDS)) {
      return question.ask(connection, SourceNames.identify(connection, pipeline.source()).id());
    } catch (SQLException e) {
      throw SourcePause.failed(pipeline.source(), e);
    }
  }
}
