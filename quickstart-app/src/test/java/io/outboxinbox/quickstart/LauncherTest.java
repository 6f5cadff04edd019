package io.outboxinbox.quickstart;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The script, up to where it would build: what it says when something is missing. */
@DisabledOnOs(OS.WINDOWS)
class LauncherTest {
  private static final Path SCRIPT = Path.of("..", "quickstart").toAbsolutePath().normalize();

  private record Ended(int code, String printed) {}

  @TempDir Path programs;

  @Test
  void helpsWithoutJavaAndMaven() throws Exception {
    Ended ended = run("--help");

    assertThat(ended.code()).isZero();
    assertThat(ended.printed()).startsWith("Usage: ./quickstart");
  }

  @Test
  void asksForAJdkWhereThereIsNone() throws Exception {
    assertThat(run())
        .isEqualTo(new Ended(2, "quickstart: no java in the PATH; install a JDK, 17 or later\n"));
  }

  @Test
  void asksForAJdkWhereThereIsOnlyARuntime() throws Exception {
    program("java", "echo 'openjdk version \"17.0.1\" 2021-10-19' >&2");

    assertThat(run().printed()).contains("no javac in the PATH: a Java runtime, but no JDK");
  }

  @Test
  void namesAJavaThatIsTooOld() throws Exception {
    program("java", "echo 'openjdk version \"1.8.0_402\"' >&2");
    program("javac", "true");

    assertThat(run())
        .isEqualTo(
            new Ended(
                2,
                "quickstart: the java in the PATH is version 1.8.0_402; install a JDK, 17 or later\n"));
  }

  private void program(String name, String body) throws IOException {
    Path file = Files.writeString(programs.resolve(name), "#!/bin/sh\n" + body + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /** With a PATH that has the usual tools, but of Java and Maven only what the test put there. */
  private Ended run(String... words) throws Exception {
    for (String tool : new String[] {"dirname", "cat", "sed", "head"}) {
      program(tool, "exec " + where(tool) + " \"$@\"");
    }
    String[] command = new String[words.length + 1];
    command[0] = SCRIPT.toString();
    System.arraycopy(words, 0, command, 1, words.length);
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().remove("JAVA_HOME");
    builder.environment().put("PATH", programs.toString());
    Process process = builder.start();
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ended(process.waitFor(), printed);
  }

  private static Path where(String tool) {
    Path inBin = Path.of("/bin", tool);
    return Files.exists(inBin) ? inBin : Path.of("/usr/bin", tool);
  }
}
