package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.sql.SQLTransientConnectionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RetryAdviceTest {
  @ParameterizedTest
  @CsvSource({
    "40001, AGAIN",
    "40P01, AGAIN",
    "55P03, AGAIN",
    "08006, LATER",
    "08S01, LATER",
    "53300, LATER",
    "53100, LATER",
    "57P01, LATER",
    "57P05, LATER",
    "58030, LATER",
    "25P03, AGAIN",
    "25P04, AGAIN",
    "53400, AGAIN",
    "40003, LATER",
    "HV00N, LATER",
    "57014, AGAIN",
    "0A000, AGAIN",
    "XX000, AGAIN",
    "26000, MEND",
    "42P05, MEND",
    "25006, MEND",
    "42501, MEND",
    "42P01, MEND",
    "42703, MEND",
    "42883, MEND",
    "42704, MEND",
    "3D000, MEND",
    "3F000, MEND",
    "28P01, MEND",
    "28000, MEND",
    "F0000, MEND",
    "XX001, MEND",
    "42S02, MEND",
    "23505, NEVER",
    "23514, NEVER",
    "22001, NEVER",
    "22P02, NEVER",
    "25P02, NEVER",
    "42601, NEVER",
    "P0001, NEVER"
  })
  void goesByTheState(String state, RetryAdvice advice) {
    assertThat(RetryAdvice.of(new SQLException("x", state))).isEqualTo(advice);
  }

  @Test
  void knowsMySqlsFailuresByTheirNumbers() {
    assertThat(RetryAdvice.of(new SQLException("x", "HY000", 1205))).isEqualTo(RetryAdvice.AGAIN);
    assertThat(RetryAdvice.of(new SQLException("x", "HY000", 1064))).isEqualTo(RetryAdvice.NEVER);
    assertThat(RetryAdvice.of(new SQLException("x", "HY000", 1020))).isEqualTo(RetryAdvice.AGAIN);
    assertThat(RetryAdvice.of(new SQLException("x", "HY000", 3024))).isEqualTo(RetryAdvice.AGAIN);
    assertThat(RetryAdvice.of(new SQLException("x", "42000", 1142))).isEqualTo(RetryAdvice.MEND);
    for (int code : new int[] {1021, 1114, 1290, 1836, 1927}) {
      assertThat(RetryAdvice.of(new SQLException("x", "HY000", code))).isEqualTo(RetryAdvice.LATER);
    }
  }

  @Test
  void takesFailuresOfPoolsAndMissingClassesForTheEnvironments() {
    assertThat(RetryAdvice.of(new SQLTransientConnectionException("no connection in time")))
        .isEqualTo(RetryAdvice.LATER);
    assertThat(RetryAdvice.of(new SQLTimeoutException("too long"))).isEqualTo(RetryAdvice.AGAIN);
    assertThat(RetryAdvice.of(new NoClassDefFoundError("x"))).isEqualTo(RetryAdvice.MEND);
    assertThat(RetryAdvice.of(new StackOverflowError())).isEqualTo(RetryAdvice.NEVER);
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
