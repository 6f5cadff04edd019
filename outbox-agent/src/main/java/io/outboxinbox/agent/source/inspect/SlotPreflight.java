package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.slot.TimelineHistory;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Whether everything after our position still comes through the slot. Debezium's own check is
 * switched off by resuming at a COMMIT, so nobody else looks.
 */
record SlotPreflight(SourceConfiguration config, Finding.Collector findings) {
  static List<Finding> check(
      SourceConfiguration config,
      Optional<SlotState> slot,
      ServerState server,
      TimelineHistory history,
      @Nullable Checkpoint checkpoint) {
    Finding.Collector findings = new Finding.Collector();
    SlotPreflight look = new SlotPreflight(config, findings);
    if (checkpoint != null) {
      look.checkServer(server, history, checkpoint);
    }
    if (slot.isPresent()) {
      look.checkKind(slot.get());
      look.checkWal(slot.get());
      if (checkpoint != null) {
        look.checkConfirmed(slot.get(), checkpoint);
      }
    } else if (checkpoint != null) {
      findings.gap(
          "slot %s does not exist, but events up to %s were read through slot %s"
              .formatted(
                  config.slot(), Lsn.format(checkpoint.position().commitLsn()), checkpoint.slot()),
          config.slot().equals(checkpoint.slot())
              ? WayOut.RECONCILE
              : "if slot %s is still there, set source.slot to it; else: %s"
                  .formatted(checkpoint.slot(), WayOut.RECONCILE));
    }
    return findings.orOk(
        slot.isPresent()
            ? "slot %s holds all that is still to be read".formatted(config.slot())
            : "slot %s will be created".formatted(config.slot()));
  }

  private void checkServer(ServerState server, TimelineHistory history, Checkpoint checkpoint) {
    if (!server.systemId().equals(checkpoint.source().systemId())) {
      findings.add(
          Finding.fatal(
              "server %s:%d is cluster %s, the position belongs to cluster %s: positions mean nothing across clusters"
                  .formatted(
                      config.host(),
                      config.port(),
                      server.systemId(),
                      checkpoint.source().systemId()),
              "correct source.host; or, if the database moved: "
                  + WayOut.acceptCluster(checkpoint.source().systemId())));
      return;
    }
    long position = checkpoint.position().commitLsn();
    if (!history.contains(checkpoint)) {
      findings.gap(
          "the server is on timeline %d, whose history %s, but events up to %s of timeline %d were published: the server was promoted or restored without the last of them"
              .formatted(
                  server.timeline(),
                  history.endOf(checkpoint.timeline()).isPresent()
                      ? "leaves timeline %d at %s"
                          .formatted(
                              checkpoint.timeline(),
                              Lsn.format(history.endOf(checkpoint.timeline()).getAsLong()))
                      : "has no timeline " + checkpoint.timeline(),
                  Lsn.format(position),
                  checkpoint.timeline()),
          WayOut.RECONCILE);
    } else if (position > server.currentWalLsn()) {
      findings.gap(
          "position %s is %d bytes ahead of the server's log, which ends at %s on timeline %d: the server was restored from an older state"
              .formatted(
                  Lsn.format(position),
                  position - server.currentWalLsn(),
                  Lsn.format(server.currentWalLsn()),
                  server.timeline()),
          WayOut.RECONCILE);
    } else if (checkpoint.endedXid() > server.nextXid()) {
      findings.gap(
          "transaction %d had ended at the position, but the server's next one is %d: the server was restored from an older state"
              .formatted(checkpoint.endedXid(), server.nextXid()),
          WayOut.RECONCILE);
    }
  }

  /** Whether the slot is the one that the source has read so far, where it is to go on from it. */
  static List<Finding> checkOwner(
      Connection connection, SourceConfiguration config, Checkpoint checkpoint)
      throws SQLException {
    String sourceId = checkpoint.source().id();
    SourceRegistry registry = new SourceRegistry(config);
    boolean isNoted =
        registry.ownSlot(connection, sourceId, null).filter(config.slot()::equals).isPresent();
    // A note may be ahead of the position, or be lost in a failover.
    if (isNoted || checkpoint.slot().equals(config.slot())) {
      return List.of();
    }
    return List.of(
        Finding.misconfigured(
            "slot %s is there already, and source %s has read slot %s so far: it may be somebody else's"
                .formatted(config.slot(), sourceId, checkpoint.slot()),
            "set source.slot to %s, or to a name that no slot of the server has; or, if slot %s was made for this source, say so: %s"
                .formatted(checkpoint.slot(), config.slot(), registry.claim(sourceId))));
  }

  /** Whether a source without a position may begin: what a slot has sent before is not known. */
  static List<Finding> checkFirstStart(
      Connection connection, SourceConfiguration config, String sourceId, Optional<SlotState> slot)
      throws SQLException {
    SourceRegistry registry = new SourceRegistry(config);
    boolean isOwn =
        registry.ownSlot(connection, sourceId, null).filter(config.slot()::equals).isPresent();
    if (isOwn || slot.isEmpty() || config.skipsExistingRows()) {
      return List.of();
    }
    return List.of(
        Finding.misconfigured(
            "slot " + config.slot() + " exists already, so its snapshot of existing rows is gone",
            "set source.slot to a name that no slot of the server has, so that the agent creates it; or set source.existingRows to skip to start where this slot stands; or, if only this source has ever made or read it, say so: "
                + registry.claim(sourceId)));
  }

  /** Whether a slot of that name is one we may read, before anybody is shut out for it. */
  static List<Finding> checkKind(Connection connection, SourceConfiguration config)
      throws SQLException {
    SlotPreflight look = new SlotPreflight(config, new Finding.Collector());
    SlotState.of(connection, config.slot()).ifPresent(look::checkKind);
    return look.findings().found();
  }

  /** Such a slot is somebody's; so the fix leaves it as it is. */
  private void checkKind(SlotState slot) {
    String rename =
        SourceNames.other(config)
            .map(
                "set source.slot to a name that no other slot of the server has, such as %s"
                    ::formatted)
            .orElse("set source.slot to a name that no other slot of the server has");
    if (!"pgoutput".equals(slot.plugin())) {
      findings.misconfigured(
          slot.plugin() == null
              ? "slot %s is a physical slot, needed is a logical one".formatted(config.slot())
              : "slot %s decodes with plugin %s, needed is pgoutput"
                  .formatted(config.slot(), slot.plugin()),
          rename);
    } else if (!config.database().equals(slot.database())) {
      findings.misconfigured(
          "slot %s belongs to database %s, not %s"
              .formatted(config.slot(), slot.database(), config.database()),
          rename);
    }
    if (slot.temporary() || slot.twoPhase()) {
      findings.misconfigured(
          slot.temporary()
              ? "slot %s is temporary: it ends with its session".formatted(config.slot())
              : "slot %s sends transactions when they are prepared, before it is known whether they commit"
                  .formatted(config.slot()),
          rename);
    }
  }

  private void checkWal(SlotState slot) {
    if ("lost".equals(slot.walStatus()) || slot.invalidationReason() != null) {
      findings.gap(
          "slot %s is lost (wal_status=%s, invalidation_reason=%s): log after %s was removed before it was read"
              .formatted(
                  config.slot(),
                  slot.walStatus(),
                  slot.invalidationReason() == null
                      ? "unknown before PostgreSQL 17"
                      : slot.invalidationReason(),
                  Lsn.format(slot.confirmedFlushLsn())),
          WayOut.RECONCILE);
    } else if ("unreserved".equals(slot.walStatus())) {
      // Not fatal: reading on is the only thing that can still save the slot, and the server
      // refuses to stream from one that is lost.
      findings.warning(
          "slot %s is about to be lost (wal_status=unreserved): log after %s goes with the next checkpoint"
              .formatted(config.slot(), Lsn.format(slot.restartLsn())),
          "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf()");
    }
  }

  private void checkConfirmed(SlotState slot, Checkpoint checkpoint) {
    long position = checkpoint.position().commitLsn();
    if (slot.isBeyond(checkpoint)) {
      findings.gap(
          "slot %s starts at %s, %d bytes after position %s: transactions in between are not sent any more (the slot was made anew or moved by somebody else)"
              .formatted(
                  config.slot(),
                  Lsn.format(slot.confirmedFlushLsn()),
                  slot.confirmedFlushLsn() - position,
                  Lsn.format(position)),
          WayOut.RECONCILE);
    }
  }
}
