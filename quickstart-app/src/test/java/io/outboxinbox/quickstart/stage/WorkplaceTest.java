package io.outboxinbox.quickstart.stage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WorkplaceTest {
  @TempDir Path parent;

  @Test
  void leavesNothingBehind() throws Exception {
    try (Workplace workplace = Workplace.create(parent, false)) {
      Files.createDirectories(workplace.file("kafka"));
      Files.writeString(workplace.file("kafka").resolve("log"), "data");
    }

    assertThat(parent).isEmptyDirectory();
  }

  @Test
  void keepsTheFilesWhenAskedTo() throws Exception {
    Path kept;
    try (Workplace workplace = Workplace.create(parent, true)) {
      kept = workplace.directory();
      Files.writeString(workplace.file("agent.yml"), "pipelines:");
    }

    assertThat(kept.resolve("agent.yml")).exists();
  }

  @Test
  void saysHowMuchSpaceIsMissing() {
    assertThatThrownBy(() -> Workplace.requireSpace(parent, 300L << 20))
        .isInstanceOf(Trouble.class)
        .hasMessage(
            "only 300 MB are free in "
                + parent
                + ", the quickstart needs 1024; make room or name another directory with --work-in");
  }

  @Test
  void cleansUpAfterARunThatWasKilled() throws Exception {
    Process agent = new ProcessBuilder(sleepingJava()).start();
    try {
      Path dead = directoryOfDeadRun();
      Files.writeString(dead.resolve("agent.pid"), Long.toString(agent.pid()));

      assertThat(clean()).containsExactly(dead);
      assertThat(dead).doesNotExist();
      assertThat(agent.waitFor()).isNotZero();
    } finally {
      agent.destroyForcibly();
    }
  }

  @Test
  void leavesARunThatIsAliveAlone() throws Exception {
    try (Workplace workplace = Workplace.create(parent, false)) {
      assertThat(clean()).isEmpty();
      assertThat(workplace.directory()).exists();
    }
  }

  @Test
  void leavesARunOfAnotherProcessAloneUntilThatEnds() throws Exception {
    Path run = Files.createDirectory(parent.resolve(Workplace.PREFIX + "other"));
    Process other =
        new ProcessBuilder(
                java(),
                "-cp",
                System.getProperty("java.class.path"),
                AliveMain.class.getName(),
                run.toString())
            .start();
    try {
      assertThat(other.inputReader().readLine()).isEqualTo("alive");
      assertThat(clean()).isEmpty();
      assertThat(run).exists();
    } finally {
      other.destroyForcibly().waitFor();
    }
    assertThat(clean()).containsExactly(run);
  }

  // A process id is given to another program one day; this one is older than the file by far.
  @Test
  void endsNoProcessThatStartedAfterTheFileWasWritten() throws Exception {
    Process stranger = new ProcessBuilder(sleepingJava()).start();
    try {
      Path dead = directoryOfDeadRun();
      Path pidFile = Files.writeString(dead.resolve("agent.pid"), Long.toString(stranger.pid()));
      Files.setLastModifiedTime(pidFile, FileTime.from(Instant.now().minusSeconds(3_600)));

      clean();

      assertThat(stranger.isAlive()).isTrue();
    } finally {
      stranger.destroyForcibly();
    }
  }

  /** As the next run does. */
  private List<Path> clean() throws Exception {
    try (Workplace next = Workplace.create(parent, false)) {
      return Leftovers.clean(next);
    }
  }

  private Path directoryOfDeadRun() throws IOException {
    Path directory = Files.createDirectory(parent.resolve(Workplace.PREFIX + "dead"));
    Leftovers.showAlive(directory).close();
    return directory;
  }

  private static String[] sleepingJava() {
    return new String[] {
      java(), "-cp", System.getProperty("java.class.path"), SleepingMain.class.getName()
    };
  }

  private static String java() {
    return Path.of(System.getProperty("java.home"), "bin", "java").toString();
  }

  /** A run that shows it is alive and does nothing else. */
  static final class AliveMain {
    private AliveMain() {}

    public static void main(String[] arguments) throws Exception {
      try (var sign = Leftovers.showAlive(Path.of(arguments[0]))) {
        System.out.println(sign.isOpen() ? "alive" : "closed");
        Thread.sleep(60_000);
      }
    }
  }

  /** Waits for somebody to end it, but not for ever. */
  static final class SleepingMain {
    private SleepingMain() {}

    public static void main(String[] arguments) throws InterruptedException {
      Thread.sleep(60_000);
    }
  }
}
