package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Finding;
import java.util.List;
import org.junit.jupiter.api.Test;

class PublicationMarkTest {
  private static final SourceConfiguration SOURCE = Sources.standard();

  @Test
  void aMarkOfAnEarlierVersionIsCompletedAndNoGap() {
    for (String before :
        List.of("publication 1/2 all tables", "publication 1/2 schema 3/4", "none")) {
      for (String now : List.of(before, before + " of 5", before + " of 5/6")) {
        assertThat(PublicationMark.compare(SOURCE, before, now)).isEmpty();
        assertThat(PublicationMark.completed(before, now)).isEqualTo(now);
      }
    }
  }

  @Test
  void anotherTableOfAPublicationOfAllIsAGap() {
    String before = "publication 1/2 all tables of 5";
    for (String now :
        List.of(
            "publication 1/2 all tables of 55",
            "publication 1/2 all tables of 7",
            "publication 1/3 all tables of 5",
            "publication 1/2 all tables",
            "none")) {
      assertThat(PublicationMark.compare(SOURCE, before, now)).hasSize(1);
      assertThat(PublicationMark.completed(before, now)).isEqualTo(before);
    }
  }

  private static final String NAMED =
      "publication 1/2 [10 \"outbox_event\" table 3/4] [20 \"event\" table 5/6]";

  private static final SourceConfiguration TWO =
      Sources.withTables(Sources.standard(), Sources.table("outbox_event"), Sources.table("event"));

  private static List<String> compared(String before, String now) {
    List<String> findings =
        PublicationMark.compare(TWO, before, now).stream().map(Finding::what).toList();
    assertThat(PublicationMark.completed(before, now)).isEqualTo(findings.isEmpty() ? now : before);
    return findings;
  }

  @Test
  void aMarkOfSeveralThatSaysTheSameIsNoGap() {
    assertThat(compared(NAMED, NAMED)).isEmpty();
    assertThat(compared(NAMED, NAMED.replace("\"event\"", "\"renamed with the file\""))).isEmpty();
    assertThat(compared(NAMED, NAMED.replace("5/6]", "5/6 of 20/7]"))).isEmpty();
    // Swapped names are the same two tables.
    assertThat(
            compared(
                NAMED, "publication 1/2 [10 \"event\" table 3/4] [20 \"outbox_event\" table 5/6]"))
        .isEmpty();
  }

  @Test
  void namesTheTableWhoseMembershipWasAltered() {
    for (String now :
        List.of(
            NAMED.replace("5/6", "5/7"),
            NAMED.replace(" table 5/6", ""),
            NAMED.replace("20 ", "21 "),
            NAMED.replace("20 ", "0 ").replace(" table 5/6", ""))) {
      assertThat(compared(NAMED, now)).singleElement().asString().contains("or table event was");
      assertThat(PublicationMark.hasOtherTables(NAMED, now)).isFalse();
    }
    for (String now : List.of(NAMED.replace("1/2", "1/3"), "none")) {
      assertThat(compared(NAMED, now))
          .singleElement()
          .asString()
          .contains("or table outbox_event, event was");
    }
    assertThat(PublicationMark.hasOtherTables(NAMED, NAMED.replace("1/2", "1/3"))).isFalse();
  }

  /** In each way one table can be published, with the mark that versions of one table wrote. */
  @Test
  void aTableNewToAMarkOfOneIsNamedAndTheOtherIsNoGap() {
    for (String[] way :
        new String[][] {
          {"publication 1/2 table 3/4", NAMED},
          {
            "publication 1/2 all tables of 10",
            "publication 1/2 all tables [10 \"outbox_event\" of 10] [20 \"event\" of 20]"
          },
          {
            "publication 1/2 all tables of 10",
            "publication 1/2 all tables [10 \"outbox_event\" of 10] [20 \"event\" table 5/6]"
          },
          {
            "publication 1/2 schema 7/8 of 10/9",
            "publication 1/2 [10 \"outbox_event\" schema 7/8 of 10/9] [20 \"event\" schema 7/8 of 20/9]"
          }
        }) {
      assertThat(compared(way[0], way[1]))
          .singleElement()
          .asString()
          .startsWith("table event is read from now on");
      assertThat(PublicationMark.hasOtherTables(way[0], way[1])).isTrue();
      assertThat(compared(way[1], way[0]))
          .singleElement()
          .asString()
          .startsWith("table event is covered by the last position and not read any more");
      assertThat(PublicationMark.hasOtherTables(way[1], way[0])).isTrue();
      assertThat(PublicationMark.covers(way[1], way[0])).isTrue();
      assertThat(PublicationMark.covers(way[0], way[1])).isFalse();
    }
    assertThat(compared("publication 1/2 table 99/4", NAMED))
        .singleElement()
        .asString()
        .contains("altered");
    assertThat(PublicationMark.hasOtherTables("publication 1/2 table 99/4", NAMED)).isTrue();
  }

  /** Its mark does not say which table it was: one of the two would come in unasked. */
  @Test
  void anOldMarkThatMayBeOfEitherTableIsAGap() {
    String now = "publication 1/2 all tables [10 \"outbox_event\" of 10] [20 \"event\" of 20]";
    assertThat(compared("publication 1/2 all tables", now))
        .singleElement()
        .asString()
        .contains("altered");
    assertThat(PublicationMark.hasOtherTables("publication 1/2 all tables", now)).isTrue();
  }

  @Test
  void coversWhatSaysTheSameOfFewerTables() {
    String three = NAMED + " [30 \"third\" table 7/8]";
    assertThat(PublicationMark.covers(three, NAMED)).isTrue();
    assertThat(PublicationMark.covers(NAMED, three)).isFalse();
    assertThat(PublicationMark.covers(three.replace("5/6", "5/7"), NAMED)).isFalse();
    assertThat(PublicationMark.covers(three.replace("1/2", "1/3"), NAMED)).isFalse();
    assertThat(compared(NAMED, three)).singleElement().asString().startsWith("table third is read");
  }

  /** Names may hold anything but quotes and dots. */
  @Test
  void readsNamesThatLookLikeParts() {
    String odd = "publication 1/2 [10 \"a] [20 b table 3/4]\" table 3/4] [20 \"e:v\" table 5/6]";
    assertThat(compared(odd, odd.replace("5/6", "5/7")))
        .singleElement()
        .asString()
        .contains("or table e:v was");
  }
}
