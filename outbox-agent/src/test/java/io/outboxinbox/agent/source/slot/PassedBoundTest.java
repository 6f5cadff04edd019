package io.outboxinbox.agent.source.slot;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.TableConfiguration;
import io.outboxinbox.agent.source.outbox.Candidates;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PassedBoundTest {
  private static final String ONE = "publication 1/2 table 3/4";
  private static final String TWO =
      "publication 1/2 [10 \"outbox_event\" table 3/4] [20 \"event\" table 5/6]";

  private static SourceConfiguration source(ExistingRows ofEvent) {
    return Sources.withTables(
        Sources.standard(),
        Sources.table("outbox_event"),
        new TableConfiguration(
            "event", Layout.STANDARD, Map.of(), List.of(), ofEvent, null, null, null));
  }

  private static PassedBound bound(SourceConfiguration source, String before, String now) {
    return new PassedBound(100, false, CoveredTables.between(source, before, now));
  }

  private static List<Candidates> candidates(ExistingRows ofEvent, String before, String now) {
    SourceConfiguration source = source(ofEvent);
    PassedBound bound = bound(source, before, now);
    return source.outboxes().stream().map(bound::candidates).toList();
  }

  @Test
  void countsForTablesThatThePositionCovers() {
    SourceConfiguration source = source(ExistingRows.PUBLISH);
    PassedBound bound = bound(source, TWO, TWO);
    for (OutboxTable table : source.outboxes()) {
      assertThat(bound.candidates(table)).isEqualTo(Candidates.notEndedAt(100));
      assertThat(bound.endedXid(table)).isEqualTo(100);
    }
    assertThat(bound.endedXidOfAll(source.outboxes())).isEqualTo(100);
  }

  /** Else a second gap would take its older rows, which are only listed, for passed. */
  @Test
  void saysNothingAnyMoreOnceOlderRowsOfANewTableAreListed() {
    SourceConfiguration source = source(ExistingRows.PUBLISH);
    PassedBound bound = bound(source, ONE, TWO);
    assertThat(candidates(ExistingRows.PUBLISH, ONE, TWO))
        .containsExactly(Candidates.notEndedAt(100), Candidates.ALL);
    assertThat(bound.endedXid(source.outboxes().get(1))).isZero();
    assertThat(bound.endedXidOfAll(source.outboxes())).isZero();
  }

  @Test
  void leavesOutOlderRowsOfANewTableThatSkipsThem() {
    assertThat(candidates(ExistingRows.SKIP, ONE, TWO))
        .containsExactly(Candidates.notEndedAt(100), Candidates.NONE);
    SourceConfiguration source = source(ExistingRows.SKIP);
    PassedBound bound = bound(source, ONE, TWO);
    assertThat(bound.endedXidOfAll(source.outboxes())).isEqualTo(100);
    assertThat(source.outboxes()).allMatch(bound::tellsSkippedRows);
  }

  @Test
  void tellsNotWhichRowsWereSkippedWhereNothingIsKnown() {
    SourceConfiguration source = source(ExistingRows.SKIP);
    OutboxTable event = source.outboxes().get(1);
    assertThat(bound(source, "none", TWO).tellsSkippedRows(event)).isFalse();
    assertThat(
            new PassedBound(0, true, CoveredTables.between(source, TWO, TWO))
                .tellsSkippedRows(event))
        .isFalse();
    assertThat(bound(source, TWO, TWO.replace("[20 ", "[21 ")).candidates(event))
        .as("made anew")
        .isEqualTo(Candidates.notEndedAt(100));
  }
}
