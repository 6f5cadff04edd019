package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class FailureTest {
  @Test
  void namesTheExceptionAndItsCauses() {
    Throwable thrown = new IllegalStateException("outer", new IOException("inner"));
    assertThat(Failure.of(thrown, 3))
        .isEqualTo(
            new Failure(
                "java.lang.IllegalStateException",
                "outer; caused by java.io.IOException: inner",
                3));
    assertThat(Failure.of(new IOException(), 0).detail()).isEqualTo("null");
  }

  @Test
  void endsWithCausesThatGoInACircle() {
    IllegalStateException first = new IllegalStateException("first");
    first.initCause(new IllegalStateException("second", first));
    assertThat(Failure.of(first, 1).detail())
        .startsWith("first; caused by java.lang.IllegalStateException: second");
  }

  @Test
  void refusesANegativeNumberOfAttempts() {
    assertThatThrownBy(() -> new Failure("r", "d", -1))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
