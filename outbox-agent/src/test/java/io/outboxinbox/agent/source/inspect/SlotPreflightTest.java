package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.SourceConfiguration.OnGap;
import io.outboxinbox.agent.source.SourceConfiguration.SslMode;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.slot.TimelineHistory;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SlotPreflightTest {
  private static final SourceConfiguration CONFIG =
      new SourceConfiguration(
          "db",
          5432,
          "shop",
          "agent",
          "secret",
          null,
          SslMode.DISABLE,
          null,
          "public",
          "outbox_event",
          "p",
          "s",
          Layout.STANDARD,
          Map.of(),
          List.of(),
          null,
          ExistingRows.PUBLISH,
          OnGap.STOP,
          true,
          1);
  private static final ServerState SERVER = new ServerState("77", 1, 2000, 170006, false, 900);
  private static final SlotState GOOD =
      new SlotState("pgoutput", "shop", false, 0, 1000, 900, "reserved", null, false, false);

  private static Checkpoint at(long commitLsn) {
    return new Checkpoint(
        new SourceIdentity("77", "shop", "p"),
        "orders",
        1,
        "s",
        "mark",
        1,
        5,
        Checkpoint.BACKLOG_DONE,
        SourcePosition.atCommit(commitLsn),
        Checkpoint.Parking.NONE,
        0,
        0,
        0);
  }

  private static Finding only(Optional<SlotState> slot, ServerState server, Checkpoint checkpoint) {
    return only(slot, server, TimelineHistory.only(server.timeline()), checkpoint);
  }

  private static Finding only(
      Optional<SlotState> slot,
      ServerState server,
      TimelineHistory history,
      Checkpoint checkpoint) {
    List<Finding> findings = SlotPreflight.check(CONFIG, slot, server, history, checkpoint);
    assertThat(findings).hasSize(1);
    return findings.get(0);
  }

  @Test
  void acceptsPositionBetweenSlotAndEndOfLog() {
    assertThat(only(Optional.of(GOOD), SERVER, at(1000)).severity()).isEqualTo(Severity.OK);
    assertThat(only(Optional.of(GOOD), SERVER, at(2000)).severity()).isEqualTo(Severity.OK);
    assertThat(only(Optional.empty(), SERVER, null).what()).isEqualTo("slot s will be created");
  }

  @Test
  void refusesSlotAheadOfPosition() {
    Finding finding = only(Optional.of(GOOD), SERVER, at(999));

    assertThat(finding.severity()).isEqualTo(Severity.GAP);
    assertThat(finding.what())
        .isEqualTo(
            "slot s starts at 0/3E8, 1 bytes after position 0/3E7: transactions in between are not sent any more (the slot was made anew or moved by somebody else)");
  }

  @Test
  void refusesPositionBeyondEndOfLog() {
    Finding finding = only(Optional.of(GOOD), SERVER, at(2001));

    assertThat(finding.severity()).isEqualTo(Severity.GAP);
    assertThat(finding.what())
        .startsWith("position 0/7D1 is 1 bytes ahead of the server's log, which ends at 0/7D0");
  }

  @Test
  void refusesAnotherCluster() {
    Finding finding =
        only(Optional.of(GOOD), new ServerState("78", 1, 2000, 170006, false, 900), at(1500));

    assertThat(finding.severity()).isEqualTo(Severity.FATAL);
    assertThat(finding.what())
        .startsWith("server db:5432 is cluster 78, the position belongs to cluster 77");
    assertThat(finding.fix()).contains("--accept-cluster 77");
  }

  @Test
  void goesOnAfterAPromotionBehindThePosition() throws Exception {
    TimelineHistory history = new TimelineHistory(3, Map.of(1, 0x5DCL, 2, 0x700L));
    ServerState promoted = new ServerState("77", 3, 2000, 170006, false, 900);

    assertThat(only(Optional.of(GOOD), promoted, history, at(1500)).severity())
        .isEqualTo(Severity.OK);
    Finding lost = only(Optional.of(GOOD), promoted, history, at(1501));
    assertThat(lost.severity()).isEqualTo(Severity.GAP);
    assertThat(lost.what())
        .isEqualTo(
            "the server is on timeline 3, whose history leaves timeline 1 at 0/5DC, but events up to 0/5DD of timeline 1 were published: the server was promoted or restored without the last of them");
  }

  @Test
  void refusesATimelineTheServerNeverHad() {
    Finding finding =
        only(
            Optional.of(GOOD),
            new ServerState("77", 1, 2000, 170006, false, 900),
            TimelineHistory.only(1),
            at(1500).onTimeline(2));

    assertThat(finding.severity()).isEqualTo(Severity.GAP);
    assertThat(finding.what())
        .startsWith("the server is on timeline 1, whose history has no timeline 2, but");
  }

  @Test
  void refusesAServerWhoseTransactionsAreYoungerThanThePositions() {
    Finding finding = only(Optional.of(GOOD), SERVER, at(1500).withEndedXid(901));

    assertThat(finding.severity()).isEqualTo(Severity.GAP);
    assertThat(finding.what())
        .isEqualTo(
            "transaction 901 had ended at the position, but the server's next one is 900: the server was restored from an older state");
    assertThat(only(Optional.of(GOOD), SERVER, at(1500).withEndedXid(900)).severity())
        .isEqualTo(Severity.OK);
  }

  @Test
  void refusesMissingSlotOnceThereIsAPosition() {
    Finding finding = only(Optional.empty(), SERVER, at(1500));

    assertThat(finding.severity()).isEqualTo(Severity.GAP);
    assertThat(finding.what())
        .isEqualTo("slot s does not exist, but events up to 0/5DC were read through slot s");
  }

  @Test
  void refusesSlotOfAnotherKind() {
    assertMisconfigured(
        new SlotState("wal2json", "shop", false, 0, 1000, 900, "reserved", null, false, false),
        "slot s decodes with plugin wal2json, needed is pgoutput");
    assertMisconfigured(
        new SlotState(null, null, false, 0, 1000, 900, "reserved", null, false, false),
        "slot s is a physical slot, needed is a logical one");
    assertMisconfigured(
        new SlotState("pgoutput", "crm", false, 0, 1000, 900, "reserved", null, false, false),
        "slot s belongs to database crm, not shop");
    assertMisconfigured(
        new SlotState("pgoutput", "shop", false, 0, 1000, 900, "reserved", null, true, false),
        "slot s is temporary: it ends with its session");
    assertMisconfigured(
        new SlotState("pgoutput", "shop", false, 0, 1000, 900, "reserved", null, false, true),
        "slot s sends transactions when they are prepared, before it is known whether they commit");
  }

  private static void assertMisconfigured(SlotState slot, String what) {
    Finding finding = only(Optional.of(slot), SERVER, at(1500));
    assertThat(finding.severity()).isEqualTo(Severity.MISCONFIGURED);
    assertThat(finding.what()).isEqualTo(what);
    assertThat(finding.fix()).as("safe for whoever has it").doesNotContain("drop");
  }

  @Test
  void refusesLostSlotButReadsOnFromOneThatCanBeSaved() {
    Finding lost =
        only(
            Optional.of(
                new SlotState(
                    "pgoutput", "shop", false, 0, 1000, 0, "lost", "wal_removed", false, false)),
            SERVER,
            at(1500));
    assertThat(lost.severity()).isEqualTo(Severity.GAP);
    assertThat(lost.what())
        .isEqualTo(
            "slot s is lost (wal_status=lost, invalidation_reason=wal_removed): log after 0/3E8 was removed before it was read");

    Finding endangered =
        only(
            Optional.of(
                new SlotState(
                    "pgoutput", "shop", true, 9, 1000, 900, "unreserved", null, false, false)),
            SERVER,
            at(1500));
    assertThat(endangered.severity()).isEqualTo(Severity.WARNING);
  }
}
