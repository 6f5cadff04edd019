package io.outboxinbox.testkit;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Starts another JVM: this one's program, with the options that tests have (test.jvm in the pom).
 */
public final class JavaCommand {
  private JavaCommand() {}

  /** The program, its options, and what follows them; more may be added. */
  public static List<String> of(String... more) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    String options = System.getProperty("test.jvm", "").strip();
    if (!options.isEmpty()) {
      command.addAll(List.of(options.split("\\s+")));
    }
    command.addAll(List.of(more));
    return command;
  }
}
