package io.outboxinbox.agent.operate;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ParkedDeskTest {
  /** Else an edit of one of them would change the key unasked. */
  @Test
  void knowsEveryColumnOfTheKeyAlsoThoseThatNeedQuotes() {
    assertThat(new ParkedDesk.Templates("t", "{tenantId}-{aggregate_id}").keyColumns())
        .containsExactlyInAnyOrder("tenantId", "aggregate_id");
  }
}
