package io.outboxinbox.agent.source.slot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TimelineHistoryTest {
  @Test
  void readsWhereEachTimelineWasLeft() throws Exception {
    assertThat(TimelineHistory.parse(3, "1\t0/5DC\tno recovery target\n2\t0/700\tx\n"))
        .isEqualTo(new TimelineHistory(3, Map.of(1, 0x5DCL, 2, 0x700L)));
  }

  @Test
  void refusesALineItCannotRead() {
    assertThatThrownBy(() -> TimelineHistory.parse(3, "one\t0/5DC\tx\n"))
        .isInstanceOf(SQLException.class)
        .hasMessageContaining("history of timeline 3");
  }
}
