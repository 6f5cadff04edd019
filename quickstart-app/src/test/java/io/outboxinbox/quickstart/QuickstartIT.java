package io.outboxinbox.quickstart;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.quickstart.Wishes.Wish;
import io.outboxinbox.quickstart.screen.Terminal;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The real thing: servers, services and the packaged agent, disturbed on the way. */
class QuickstartIT {
  private static final Path AGENT =
      Path.of("..", "outbox-agent", "target", "outbox-agent.jar").toAbsolutePath().normalize();

  // For a machine that does three other things meanwhile; on an idle one it takes a tenth of it.
  private static final long STREAMS_WITHIN_SECONDS = 300;
  private static final long ENDS_WITHIN_SECONDS = 300;

  private final ByteArrayOutputStream screen = new ByteArrayOutputStream();

  @TempDir Path workIn;

  @Test
  void losesAndDoublesNothingWhenAgentAndInventoryAreKilledAndMessagesComeAgain() throws Exception {
    Wishes wishes = new Wishes();
    Terminal terminal = new Terminal(new PrintStream(screen, true, StandardCharsets.UTF_8), false);
    CompletableFuture<Integer> exitCode =
        CompletableFuture.supplyAsync(
            () ->
                Quickstart.run(
                    List.of("--agent-jar", AGENT.toString(), "--work-in", workIn.toString()),
                    terminal,
                    wishes));

    awaitStreaming(exitCode, printed().length());
    wishes.askFor(Wish.KILL_INVENTORY);
    awaitPrinted(exitCode, "kill -9 of the inventory");
    wishes.askFor(Wish.REDELIVER);
    awaitPrinted(exitCode, "messages come again");
    wishes.askFor(Wish.KILL_AGENT);
    awaitPrinted(exitCode, "kill -9 of the agent");
    awaitStreaming(exitCode, printed().indexOf("kill -9 of the agent"));
    wishes.askForEnd();

    assertThat(exitCode.get(ENDS_WITHIN_SECONDS, SECONDS)).as(printed()).isZero();
    assertThat(printed())
        .contains("RESULT ok: nothing lost, nothing doubled, all in order")
        .containsPattern("agent +killed and restarted 1 times, ended by itself 0 times")
        .containsPattern(
            "inventory +killed and restarted 1 times, ended by itself 0 times; its offsets set back 1")
        .containsPattern(Pattern.compile("committed +[1-9]"));
    assertThat(workIn).isEmptyDirectory();
  }

  private void awaitPrinted(CompletableFuture<Integer> exitCode, String text) {
    await()
        .atMost(ENDS_WITHIN_SECONDS, SECONDS)
        .until(() -> exitCode.isDone() || printed().contains(text));
    assertThat(exitCode).as(printed()).isNotDone();
  }

  private void awaitStreaming(CompletableFuture<Integer> exitCode, int from) {
    await()
        .atMost(STREAMS_WITHIN_SECONDS, SECONDS)
        .until(() -> exitCode.isDone() || printed().indexOf("streaming", from) > 0);
    assertThat(exitCode).as(printed()).isNotDone();
  }

  private String printed() {
    return screen.toString(StandardCharsets.UTF_8);
  }
}
