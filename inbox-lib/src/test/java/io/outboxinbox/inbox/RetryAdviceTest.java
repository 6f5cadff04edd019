package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RetryAdviceTest {
  @ParameterizedTest
  @CsvSource({
    "40001, AGAIN", "40P01, AGAIN", "55P03, AGAIN", "08006, LATER", "08S01, LATER",
    "53300, LATER", "57P01, LATER", "58030, LATER", "25P03, LATER", "23505, NEVER",
    "42P01, NEVER", "22001, NEVER", "25P02, NEVER", "57014, NEVER"
  })
  void goesByTheState(String state, RetryAdvice advice) {
    assertThat(RetryAdvice.of(new SQLException("x", state))).isEqualTo(advice);
  }

  @Test
  void knowsMySqlsFailuresByTheirNumbers() {
    assertThat(RetryAdvice.of(new SQLException("x", "HY000", 1205))).isEqualTo(RetryAdvice.AGAIN);
    assertThat(RetryAdvice.of(new SQLException("x", "HY000", 1064))).isEqualTo(RetryAdvice.NEVER);
    assertThat(RetryAdvice.of(new SQLException("x", "HY000", 1020))).isEqualTo(RetryAdvice.AGAIN);
    for (int code : new int[] {1021, 1114, 1290, 1836, 1927}) {
      assertThat(RetryAdvice.of(new SQLException("x", "HY000", code))).isEqualTo(RetryAdvice.LATER);
    }
  }

  @Test
  void looksThroughCausesAndNextExceptions() {
    SQLException batch = new SQLException("batch", "23000");
    batch.setNextException(new SQLException("deadlock", "40P01"));
    assertThat(RetryAdvice.of(new IllegalStateException(new RuntimeException(batch))))
        .isEqualTo(RetryAdvice.AGAIN);
    assertThat(RetryAdvice.of(new SQLException("no state"))).isEqualTo(RetryAdvice.NEVER);
    assertThat(RetryAdvice.of(new InboxException.Retryable("x"))).isEqualTo(RetryAdvice.AGAIN);
  }

  @Test
  void endsOnExceptionsThatPointInACircle() {
    RuntimeException a = new RuntimeException("a");
    RuntimeException b = new RuntimeException("b", a);
    a.initCause(b);
    assertThat(RetryAdvice.of(a)).isEqualTo(RetryAdvice.NEVER);
  }
}
