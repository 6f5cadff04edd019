package io.outboxinbox.agent.source.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.SourcePosition;
import org.junit.jupiter.api.Test;

class ResumePointTest {
  private static final SourcePosition SECOND_OF_COPY = new SourcePosition(100, 7, 150, 2);

  @Test
  void countsRowsThatShareAnLsn() {
    ResumePoint resumePoint = new ResumePoint(SourcePosition.atCommit(100));
    assertThat(resumePoint.row(100, 7, 150)).isEqualTo(new SourcePosition(100, 7, 150, 1));
    assertThat(resumePoint.row(100, 7, 150)).isEqualTo(new SourcePosition(100, 7, 150, 2));
    assertThat(resumePoint.row(100, 7, 160)).isEqualTo(new SourcePosition(100, 7, 160, 1));
  }

  @Test
  void startsCountingAnewInTheNextTransactionEvenAtTheSameLsn() {
    ResumePoint resumePoint = new ResumePoint(SourcePosition.atCommit(100));
    resumePoint.row(100, 7, 150);
    assertThat(resumePoint.row(100, 8, 150)).isEqualTo(new SourcePosition(100, 8, 150, 1));
  }

  @Test
  void skipsExactlyThePublishedRowsOfASharedLsn() {
    ResumePoint resumePoint = new ResumePoint(SECOND_OF_COPY);
    assertThat(resumePoint.row(100, 7, 140)).isNull();
    assertThat(resumePoint.row(100, 7, 150)).isNull();
    assertThat(resumePoint.row(100, 7, 150)).isNull();
    assertThat(resumePoint.row(100, 7, 150)).isEqualTo(new SourcePosition(100, 7, 150, 3));
  }

  @Test
  void takesALaterTransactionWithTheSameNumberAsNew() {
    ResumePoint resumePoint = new ResumePoint(SECOND_OF_COPY);
    resumePoint.row(100, 7, 150);
    resumePoint.row(100, 7, 150);
    assertThat(resumePoint.end(7, 200)).isEqualTo(SourcePosition.atCommit(200));
    assertThat(resumePoint.row(200, 7, 150)).isNotNull();
  }

  @Test
  void staysPutWhileThePartlyPublishedTransactionIsStillToCome() {
    ResumePoint resumePoint = new ResumePoint(SECOND_OF_COPY);
    assertThat(resumePoint.end(6, 120)).isEqualTo(SECOND_OF_COPY);
  }

  @Test
  void refusesWhenTheLastPublishedRowIsNotResent() {
    assertRefused(() -> new ResumePoint(SECOND_OF_COPY).row(100, 7, 151), "row 2 at 0/96");
    assertRefused(() -> new ResumePoint(SECOND_OF_COPY).end(7, 200), "row 2 at 0/96");
  }

  @Test
  void refusesWhenAnotherTransactionComesFirst() {
    assertRefused(
        () -> new ResumePoint(SECOND_OF_COPY).row(100, 8, 140), "transaction 7 is the one partly");
  }

  private static void assertRefused(
      org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String part) {
    assertThatThrownBy(call)
        .isInstanceOf(AgentException.Gap.class)
        .hasMessageContaining(part)
        .hasMessageContaining("outbox-agent.jar reconcile");
  }
}
