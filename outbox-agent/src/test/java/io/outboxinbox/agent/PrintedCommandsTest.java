package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import io.dropwizard.core.cli.Cli;
import io.dropwizard.core.setup.Bootstrap;
import io.dropwizard.util.JarLocation;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.operate.command.ExitCode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whoever copies a command from a message or a document can run it: its words, options and order
 * are those of the program. What is printed in capitals is filled in.
 */
class PrintedCommandsTest {
  private static final Pattern PRINTED = Pattern.compile("'java -jar outbox-agent\\.jar ([^']+)'");
  private static final Pattern WRITTEN =
      Pattern.compile("java -jar outbox-agent\\.jar ([^`|\\n]+)[`|\\n]");
  private static final Pattern WORD = Pattern.compile("\"([^\"]*)\"|(\\S+)");

  /** Nothing listens there, so each command ends at its first connection. */
  private static final String CONFIGURATION =
      """
      pipelines:
        - name: orders
          source: {host: localhost, port: 1, database: shop, username: a, password: b, sslMode: disable}
          route: {allowedTopics: [order, order-replay]}
          publish: {type: kafka, bootstrapServers: "localhost:1"}
      """;

  @TempDir private Path folder;

  @Test
  void commandsInMessagesRun() throws Exception {
    Set<String> commands = new TreeSet<>();
    try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
      for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
        // Long texts stand in several literals.
        String text = Files.readString(file).replaceAll("\"\\s*\\+ \"", "");
        commands.addAll(find(PRINTED, text));
      }
    }
    assertThat(commands).hasSizeGreaterThan(3);
    for (String command : commands) {
      assertThatItRuns(command);
    }
  }

  @Test
  void commandsInDocumentsRun() throws Exception {
    Set<String> commands = new TreeSet<>();
    for (Path document : Documents.all()) {
      commands.addAll(find(WRITTEN, Files.readString(document)));
    }
    assertThat(commands).hasSizeGreaterThan(10);
    for (String command : commands) {
      assertThatItRuns(command);
    }
  }

  private static List<String> find(Pattern pattern, String text) {
    return pattern.matcher(text).results().map(found -> found.group(1)).toList();
  }

  private void assertThatItRuns(String command) throws IOException {
    if (command.startsWith("server ")) {
      return;
    }
    Path configuration = Files.writeString(folder.resolve("agent.yml"), CONFIGURATION);
    List<String> words = new ArrayList<>();
    Matcher word = WORD.matcher(command);
    while (word.find()) {
      String placeholder = words.contains("--accept-cluster") ? "7000000000000000001" : "orders";
      words.add(
          (word.group(1) == null ? word.group(2) : word.group(1))
              .replace("agent.yml", configuration.toString())
              .replaceAll("^(NAME|OLD_ID|%s)$", placeholder)
              .replaceAll("^payload\\.json$", configuration.toString()));
    }
    OutboxAgent agent = new OutboxAgent(Map.<String, String>of()::get);
    Bootstrap<AgentConfiguration> bootstrap = new Bootstrap<>(agent);
    agent.initialize(bootstrap);
    agent.addDefaultCommands(bootstrap);
    ByteArrayOutputStream told = new ByteArrayOutputStream();
    int exitCode =
        new Cli(new JarLocation(OutboxAgent.class), bootstrap, told, told)
            .run(words.toArray(String[]::new))
            .map(failure -> ExitCode.of(failure).number())
            .orElse(0);
    assertThat(exitCode)
        .as("%s: %s", command, told.toString(StandardCharsets.UTF_8))
        .isNotEqualTo(ExitCode.CONFIGURATION.number());
  }
}
