package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Whoever looks for a message in the runbook finds it there as the program says it. */
class RunbookTest {
  private static final Path RUNBOOK = Documents.ROOT.resolve("docs/RUNBOOK.md");
  private static final Pattern FIRST_CELL = Pattern.compile("(?m)^\\| (.*?) \\| ");
  private static final Pattern SPAN = Pattern.compile("`([^`]+)`");

  /** What stands for a value in a message, and what the page leaves out. */
  private static final Pattern VALUE = Pattern.compile("…|\\d+( ?s\\b)?|\\b[A-Z]{4,}\\b");

  private static final Pattern CONCATENATION = Pattern.compile("\"\\s*\\+\\s*\"");
  private static final Pattern LINE_ENDS = Pattern.compile("\"\"\"|\\\\n\\s*|\\\\\\R\\s*");

  /** Said by Kafka and PostgreSQL, or put together from words that stand apart. */
  private static final Set<String> ELSEWHERE =
      Set.of(
          "Expiring … record(s)",
          "publishing … events failed: Timeout … EndTxn",
          "Timestamp … is out of range",
          "relation \"….outbox_agent_source\" does not exist",
          "permission denied for table outbox_agent_source",
          "cannot execute INSERT in a read-only transaction",
          "whose history leaves timeline",
          "whose history has no timeline",
          "was released already",
          "was discarded already",
          // A key and its value.
          "parking.unknownTopic: wait");

  @Test
  void messagesInTablesAreThoseOfTheProgram() throws IOException {
    String said = said();
    List<String> messages =
        FIRST_CELL
            .matcher(Files.readString(RUNBOOK))
            .results()
            .flatMap(cell -> SPAN.matcher(cell.group(1)).results())
            .map(span -> span.group(1))
            .filter(span -> span.indexOf(' ') >= 0)
            .filter(message -> !ELSEWHERE.contains(message))
            .toList();
    assertThat(messages).hasSizeGreaterThan(100);
    assertThat(messages.stream().filter(message -> !isSaid(message, said))).isEmpty();
  }

  @Test
  void noticesAMessageThatNobodySays() throws IOException {
    assertThat(isSaid("slot … went away, but events up to", said())).isFalse();
    assertThat(isSaid("slot … does not exist, but events up to", said())).isTrue();
  }

  private static boolean isSaid(String message, String said) {
    return parts(message).allMatch(said::contains);
  }

  private static Stream<String> parts(String message) {
    return Arrays.stream(VALUE.split(message))
        .map(part -> part.replaceAll("^[ :;,\"().|]+|[ :;,\"().|]+$", ""))
        .filter(part -> part.length() > 3);
  }

  /** The texts of all programs, as if each stood in one line. */
  private static String said() throws IOException {
    StringBuilder said = new StringBuilder();
    for (Path file : Documents.files(".java")) {
      if (file.toString().replace('\\', '/').contains("/src/main/")) {
        String source = CONCATENATION.matcher(Files.readString(file)).replaceAll("");
        said.append(LINE_ENDS.matcher(source).replaceAll(""));
      }
    }
    return said.toString().replaceAll("\\s+", " ").replace("\\\"", "\"");
  }
}
