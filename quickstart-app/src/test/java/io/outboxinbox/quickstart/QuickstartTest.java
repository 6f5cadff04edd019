package io.outboxinbox.quickstart;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.quickstart.screen.Terminal;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QuickstartTest {
  private final ByteArrayOutputStream screen = new ByteArrayOutputStream();

  @TempDir Path workIn;

  @Test
  void helpsWithEveryOption() {
    assertThat(run("--help")).isZero();
    assertThat(printed())
        .contains("--seconds", "--rate", "--chaos", "--seed", "--ports", "--work-in", "--keep");
  }

  @Test
  void tellsTroubleFromLossByTheExitCode() {
    assertThat(run("--fast")).isEqualTo(2);
    assertThat(printed()).startsWith("quickstart: unknown option --fast");
  }

  @Test
  void startsNothingWhenAPortIsInUse() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      int port = taken.getLocalPort();

      assertThat(
              run(
                  "--agent-jar",
                  "any.jar",
                  "--work-in",
                  workIn.toString(),
                  "--ports",
                  port + ",2,3"))
          .isEqualTo(2);

      assertThat(printed()).startsWith("quickstart: port " + port + " for PostgreSQL is in use");
      assertThat(workIn).isEmptyDirectory();
    }
  }

  private int run(String... words) {
    Terminal terminal = new Terminal(new PrintStream(screen, true, StandardCharsets.UTF_8), false);
    return Quickstart.run(List.of(words), terminal, new Wishes());
  }

  private String printed() {
    return screen.toString(StandardCharsets.UTF_8);
  }
}
