package io.outboxinbox.agent.source.slot;

import static io.outboxinbox.agent.source.slot.CoveredTables.State.COVERED;
import static io.outboxinbox.agent.source.slot.CoveredTables.State.NEW;
import static io.outboxinbox.agent.source.slot.CoveredTables.State.REPLACED;
import static io.outboxinbox.agent.source.slot.CoveredTables.State.UNKNOWN;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.TableConfiguration;
import io.outboxinbox.agent.source.slot.CoveredTables.State;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class CoveredTablesTest {
  private static final String ONE = "publication 1/2 table 3/4";
  private static final String TWO =
      "publication 1/2 [10 \"outbox_event\" table 3/4] [20 \"event\" table 5/6]";

  private static CoveredTables between(String before, String now, String... tables) {
    return CoveredTables.between(
        Sources.withTables(
            Sources.standard(),
            Arrays.stream(tables).map(Sources::table).toArray(TableConfiguration[]::new)),
        before,
        now);
  }

  private static List<State> states(String before, String now) {
    CoveredTables tables = between(before, now, "outbox_event", "event");
    return List.of(tables.of("outbox_event"), tables.of("event"));
  }

  @Test
  void oneTableIsCoveredUnlessItsMarkSaysThatItIsAnother() {
    String all = "publication 1/2 all tables of 10";
    assertThat(between(ONE, "publication 1/9 table 8/8", "a").of("a")).isEqualTo(COVERED);
    assertThat(between(all, all, "a").of("a")).isEqualTo(COVERED);
    assertThat(between("publication 1/2 all tables", all, "a").of("a")).isEqualTo(COVERED);
    assertThat(between(all, all.replace("of 10", "of 11"), "a").of("a")).isEqualTo(REPLACED);
  }

  @Test
  void aTableThatCameIsNew() {
    assertThat(states(ONE, TWO)).containsExactly(COVERED, NEW);
    assertThat(states("publication 1/1 table 3/4", TWO))
        .as("the publication was altered too")
        .containsExactly(COVERED, NEW);
    assertThat(states("publication 1/2 table 5/6", TWO)).containsExactly(NEW, COVERED);
    assertThat(states("publication 1/2 [10 \"outbox_event\" table 3/4] [30 \"x\" table 7/8]", TWO))
        .containsExactly(COVERED, NEW);
  }

  @Test
  void whatNobodyCanTellIsUnknown() {
    assertThat(states("publication 1/2 table 99/4", TWO)).containsExactly(UNKNOWN, UNKNOWN);
    assertThat(
            states(
                "publication 1/2 schema 3/4",
                "publication 1/2 [10 \"outbox_event\" schema 3/4 of 10/9] [20 \"event\" schema 3/4 of 20/9]"))
        .containsExactly(UNKNOWN, UNKNOWN);
    assertThat(states("none", TWO)).containsExactly(UNKNOWN, UNKNOWN);
  }

  @Test
  void aTableMadeAnewHasTakenThePlaceOfTheOneBefore() {
    assertThat(states(TWO, TWO.replace("[20 ", "[21 "))).containsExactly(COVERED, REPLACED);
    assertThat(states(TWO, TWO.replace("5/6", "5/7"))).containsExactly(COVERED, COVERED);
    CoveredTables left = between(TWO, "publication 1/2 table 9/9", "event");
    assertThat(left.of("event")).isEqualTo(REPLACED);
    assertThat(left.ofMessage("event", true)).containsExactly("event");
  }

  @Test
  void messagesOfATableThatIsGoneAreOfNoneAndThoseOfARenamedOneOfIt() {
    CoveredTables one = between(TWO, ONE, "called otherwise");
    assertThat(one.of("called otherwise")).isEqualTo(COVERED);
    assertThat(one.ofMessage("outbox_event", true)).containsExactly("called otherwise");
    assertThat(one.ofMessage("event", true)).isEmpty();
    assertThat(one.ofMessage("never heard of", true)).containsExactly("called otherwise");
    assertThat(one.renamed()).containsExactly("outbox_event, now called otherwise");
    String swapped = "publication 1/2 [10 \"event\" table 3/4] [20 \"outbox_event\" table 5/6]";
    CoveredTables two = between(TWO, swapped, "outbox_event", "event");
    assertThat(two.ofMessage("event", true)).containsExactly("outbox_event");
    assertThat(two.ofMessage("outbox_event", true)).containsExactly("event");
    assertThat(two.renamed()).containsExactly("event, now outbox_event", "outbox_event, now event");
  }

  /** Ours were sent while there was one table, and that one is not the new one. */
  @Test
  void messagesWithoutATableAreOurOldTablesAndOthersAreTheNewOnes() {
    CoveredTables came = between(ONE, TWO, "outbox_event", "event");
    assertThat(came.ofMessage(null, true)).containsExactly("outbox_event");
    assertThat(came.ofMessage(null, false)).containsExactly("event");
    assertThat(came.ofMessage("event", false)).containsExactly("event");
    CoveredTables same = between(TWO, TWO, "outbox_event", "event");
    assertThat(same.ofMessage(null, true)).containsExactlyInAnyOrder("outbox_event", "event");
    assertThat(same.ofMessage(null, false)).containsExactlyInAnyOrder("outbox_event", "event");
    CoveredTables unknown = CoveredTables.unknown(Sources.standard());
    assertThat(unknown.ofMessage(null, false)).containsExactly("outbox_event");
    assertThat(unknown.ofMessage("event", true)).containsExactly("outbox_event");
  }
}
