package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What every statement in the sources has to keep. */
class StatementsTest {
  private static final Path PAGE = Path.of("../docs/decisions/0016-fencing-in-the-database.md");

  /** As statements are begun in the sources. */
  private static final Pattern WRITES =
      Pattern.compile(
          "(^\\s*|\")(WITH \\w+ AS \\()?(INSERT INTO|UPDATE|DELETE FROM) (%|\")"
              + "|\"CREATE_REPLICATION_SLOT |SELECT pg_drop_replication_slot\\((\\?|slot_name)"
              + "|\"outbox_partitions_(create|drop)\"",
          Pattern.MULTILINE);

  private static final Pattern LITERALS =
      Pattern.compile("\"\"\"(.*?)\"\"\"|\"((?:\\\\.|[^\"\\\\\n])*)\"", Pattern.DOTALL);

  /** Functions of any type: one of the same name for the very type is preferred to them. */
  private static final Pattern PREEMPTED =
      Pattern.compile(
          "(?<![\\w.])(concat|concat_ws|format|jsonb?_object_agg|jsonb?_agg|jsonb?_build_\\w+|array_agg"
              + "|unnest|array_length|array_position|cardinality|to_jsonb?|row_to_json|num_nulls"
              + "|hashtext|hashtextextended)\\(");

  /** Whoever adds a statement that writes says what keeps a replaced leader from sending it. */
  @Test
  void eachClassThatWritesSaysWhatFencesIt() throws IOException {
    List<String> writing = namesOfSources(source -> WRITES.matcher(source).find());
    assertThat(writing).as("the pattern finds them").contains("Backlog", "FirstStart");
    String page = Files.readString(PAGE);
    assertThat(writing)
        .as("classes with statements that write; each needs a row in %s", PAGE)
        .allSatisfy(name -> assertThat(page).contains("| `" + name + "` |"));
  }

  /** A role that may create functions in a schema of the path must not run its own as the agent. */
  @Test
  void functionsOfAnyTypeAreCalledByTheirSchema() throws IOException {
    assertThat(PREEMPTED.matcher("SELECT format(").find()).as("the pattern finds them").isTrue();
    assertThat(namesOfSources(StatementsTest::callsWithoutSchema)).isEmpty();
  }

  /** Whoever runs a printed statement may look into other schemas. */
  @Test
  void tablesOfTheAgentsAreNamedWithTheirSchema() throws IOException {
    Pattern bare = Pattern.compile("(FROM|INTO|UPDATE|JOIN|TABLE) outbox_\\w+");
    assertThat(namesOfSources(source -> hasLiteral(source, bare))).isEmpty();
  }

  /** A log shows a message in one line; what comes behind such a remark would be part of it. */
  @Test
  void noRemarkEndsWithTheLine() throws IOException {
    Pattern remark = Pattern.compile("(;|\\)) -- |\"-- \\w");
    assertThat(namesOfSources(source -> hasLiteral(source, remark))).isEmpty();
  }

  private static boolean hasLiteral(String source, Pattern wanted) {
    return LITERALS
        .matcher(source)
        .results()
        .anyMatch(literal -> wanted.matcher(literal.group()).find());
  }

  private static boolean callsWithoutSchema(String source) {
    return hasLiteral(source, PREEMPTED);
  }

  private static List<String> namesOfSources(Predicate<String> wanted) throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
      return files
          .filter(file -> file.toString().endsWith(".java"))
          .filter(file -> wanted.test(text(file)))
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
