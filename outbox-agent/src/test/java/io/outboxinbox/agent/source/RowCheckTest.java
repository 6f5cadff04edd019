package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class RowCheckTest {
  private final RowCheck ofTwo =
      new RowCheck(
          Sources.withTables(
              Sources.standard(),
              Sources.table("outbox_event"),
              Sources.table(
                  "event", Layout.STANDARD, Map.of(Column.AGGREGATE_ID, "stream_id"), List.of())),
          "1/db/p");

  private static Captured check(RowCheck check, @Nullable String table, @Nullable String key) {
    RawRow row =
        new RawRow(table, "1", "order", key, "placed", null, null, null, null, null, Map.of());
    return check.check(row, SourcePosition.atCommit(1), Instant.EPOCH);
  }

  @Test
  void asksOfARowWhatItsTableAsks() {
    assertThat(check(ofTwo, "event", "k"))
        .isInstanceOfSatisfying(
            Captured.Row.class, row -> assertThat(row.event().table()).isEqualTo("event"));
    assertThat(check(ofTwo, "event", null))
        .isInstanceOfSatisfying(
            Captured.BadRow.class,
            bad -> assertThat(bad.reason()).startsWith("column stream_id is NULL"));
    assertThat(check(ofTwo, "outbox_event", null))
        .isInstanceOfSatisfying(
            Captured.BadRow.class,
            bad -> assertThat(bad.reason()).startsWith("column aggregate_id is NULL"));
  }

  @Test
  void aRowOfATableThatIsNotConfiguredStaysAndSaysSo() {
    for (String table : new String[] {"gone", null}) {
      assertThat(check(ofTwo, table, "k"))
          .isInstanceOfSatisfying(
              Captured.BadRow.class,
              bad ->
                  assertThat(bad.reason())
                      .contains("table " + table, "not configured", "WHERE source = '1/db/p' AND"));
    }
  }

  /** An earlier version parked it, which knew one table and noted none. */
  @Test
  void aRowWithoutATableIsOfTheOnlyOne() {
    RowCheck ofOne = new RowCheck(Sources.standard(), "1/db/p");
    assertThat(check(ofOne, null, "k"))
        .isInstanceOfSatisfying(
            Captured.Row.class, row -> assertThat(row.event().table()).isEqualTo("outbox_event"));
  }
}
