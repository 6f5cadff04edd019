package io.outboxinbox.agent.operate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class ParkedDeskTest {
  /** Else an edit of one of them would change the key unasked. */
  @Test
  void knowsEveryColumnOfTheKeyAlsoThoseThatNeedQuotes() {
    assertThat(new ParkedDesk.Templates("t", "{tenantId}-{aggregate_id}").keyColumns(null))
        .containsExactlyInAnyOrder("tenantId", "aggregate_id");
  }

  /** One that is not known may be of any of them: nobody must change its key unasked. */
  @Test
  void knowsTheKeyOfEachTable() {
    ParkedDesk.Templates templates =
        new ParkedDesk.Templates(
            List.of(
                new ParkedDesk.Templates.OfTable("outbox_event", "t", "{tenant}"),
                new ParkedDesk.Templates.OfTable("event", "t", "{aggregate_id}")));
    assertThat(templates.keyColumns("event")).containsExactly("aggregate_id");
    assertThat(templates.keyColumns(null)).containsExactlyInAnyOrder("tenant", "aggregate_id");
    assertThat(templates.keyColumns("gone")).containsExactlyInAnyOrder("tenant", "aggregate_id");
  }
}
