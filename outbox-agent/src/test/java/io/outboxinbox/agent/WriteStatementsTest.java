package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Whoever adds a statement that writes has to say what keeps a replaced leader from sending it. */
class WriteStatementsTest {
  private static final Path PAGE = Path.of("../docs/decisions/0016-fencing-in-the-database.md");

  /** As statements are begun in the sources. */
  private static final Pattern WRITES =
      Pattern.compile(
          "(^\\s*|\")(WITH \\w+ AS \\()?(INSERT INTO|UPDATE|DELETE FROM) (%|\")"
              + "|\"CREATE_REPLICATION_SLOT |SELECT pg_drop_replication_slot\\((\\?|slot_name)"
              + "|\"outbox_partitions_(create|drop)\"",
          Pattern.MULTILINE);

  @Test
  void eachClassThatWritesSaysWhatFencesIt() throws IOException {
    List<String> writing = writing();
    assertThat(writing).as("the pattern finds them").contains("Backlog", "FirstStart");
    String page = Files.readString(PAGE);
    assertThat(writing)
        .as("classes with statements that write; each needs a row in %s", PAGE)
        .allSatisfy(name -> assertThat(page).contains("| `" + name + "` |"));
  }

  private static List<String> writing() throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
      return files
          .filter(file -> file.toString().endsWith(".java"))
          .filter(file -> WRITES.matcher(text(file)).find())
          .map(file -> file.getFileName().toString().replace(".java", ""))
          .sorted()
          .toList();
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
