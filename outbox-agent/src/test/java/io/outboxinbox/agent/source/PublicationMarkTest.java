package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

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
}
