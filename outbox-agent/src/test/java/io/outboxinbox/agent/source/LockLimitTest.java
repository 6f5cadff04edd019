package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LockLimitTest {
  @ParameterizedTest
  @CsvSource({"0, 2000ms", "1, 500ms", "2, 1000ms", "3, 1500ms", "4, 2000ms", "10, 2000ms"})
  void isOverWellBeforeTheAnswerCountsAsMissing(int answerSeconds, String setting) {
    assertThat(LockLimit.setting(answerSeconds)).isEqualTo(setting);
  }
}
