package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

class KafkaClientTest {
  @ParameterizedTest
  @ValueSource(strings = {"3.8.1", "3.0.0", "2.8.2", "0.11.0.3", "3.8.0-SNAPSHOT"})
  void refusesAClientThatLacksWhatWeCallAndNamesBothVersions(String version) {
    assertThat(faults(version))
        .singleElement()
        .asString()
        .contains("kafka-clients on the class path is " + version, "3.9 or later");
  }

  @ParameterizedTest
  @NullSource
  @ValueSource(strings = {"3.9.0", "3.10.0", "4.0.2", "4.4.0", "5.0.0", "10.1.0", "unknown"})
  void takesEveryLaterOneAndOnesThatDoNotSay(String version) {
    assertThat(faults(version)).isEmpty();
  }

  @Test
  void readsTheVersionOfTheClientThatIsThere() {
    assertThat(KafkaClient.version()).matches("\\d+\\.\\d+\\.\\d+.*");
  }

  private static List<String> faults(String version) {
    List<String> faults = new ArrayList<>();
    KafkaClient.requireUsable(version, faults);
    return faults;
  }
}
