package io.outboxinbox.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.quickstart.stage.Ports;
import io.outboxinbox.quickstart.stage.Trouble;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptionsTest {
  private static final long RANDOM_SEED = 42;

  @Test
  void runsUntilCtrlCWithTwoHundredEventsASecondWhenNothingIsSaid() throws Trouble {
    Options options = Options.parse(List.of(), RANDOM_SEED);

    assertThat(options.limit()).isNull();
    assertThat(options.eventsPerSecond()).isEqualTo(200);
    assertThat(options.chaos()).isFalse();
    assertThat(options.seed()).isEqualTo(RANDOM_SEED);
    assertThat(options.ports()).isEqualTo(Ports.FREE);
    assertThat(options.keep()).isFalse();
  }

  @Test
  void readsEveryOption(@TempDir Path directory) throws Trouble {
    Options options =
        Options.parse(
            List.of(
                ("--agent-jar a.jar --seconds 30 --rate 1000 --chaos --seed 7 --keep"
                        + " --ports 5433,9093,8082 --work-in "
                        + directory)
                    .split(" ")),
            RANDOM_SEED);

    assertThat(options)
        .isEqualTo(
            new Options(
                false,
                Path.of("a.jar"),
                Duration.ofSeconds(30),
                1_000,
                true,
                7,
                new Ports(5433, 9093, 8082),
                directory,
                true));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--second 5 | unknown option --second; --help lists them all",
        "--seconds | --seconds needs a value; --help shows which",
        "--seconds soon | --seconds soon: must be a whole number",
        "--seconds 0 | --seconds 0: must be from 1 to 2592000",
        "--rate 9000 | --rate 9000: must be from 1 to 5000",
        "--ports 5432 | --ports 5432: must be three numbers, for PostgreSQL, Kafka and the agent, such as 5433,9093,8082",
        "--ports 1,2,70000 | --ports 70000: must be from 1 to 65535",
        "--ports 9,9,8 | --ports 9,9,8: the three must differ",
        "--work-in /no/such/place | --work-in /no/such/place: there is no such directory",
      })
  void saysWhatIsWrongAndWhatIsRight(String line, String message) {
    assertThatThrownBy(() -> Options.parse(List.of(line.split(" ")), RANDOM_SEED))
        .isInstanceOf(Trouble.class)
        .hasMessage(message);
  }
}
