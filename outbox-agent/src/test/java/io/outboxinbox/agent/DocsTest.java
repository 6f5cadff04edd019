package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import io.dropwizard.core.cli.Command;
import io.dropwizard.core.setup.Bootstrap;
import io.dropwizard.core.setup.Environment;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.configure.ConfigurationReader;
import io.outboxinbox.agent.observe.DeadThreads;
import io.outboxinbox.agent.observe.Observatory;
import io.outboxinbox.agent.observe.RunningAgent;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What the documents link to, show and list is there: files, headings, configurations, pages,
 * states. {@link DocumentedNamesTest} looks at names.
 */
class DocsTest {
  private static final Path ROOT = Documents.ROOT;
  private static final Path README = ROOT.resolve("README.md");
  private static final Path OPERATE = ROOT.resolve("docs/OPERATE.md");
  private static final Path SOURCES = Path.of("src", "main", "java");

  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#\\s]*)(?:#([^)\\s]+))?\\)");
  private static final Pattern HEADING = Pattern.compile("(?m)^#{1,6} (.+)$");
  private static final Pattern AGENT_CONFIG =
      Pattern.compile("<!-- agent-config -->\\R```yaml\\R(.*?)```", Pattern.DOTALL);
  private static final Pattern SQL_FILE = Pattern.compile("\\b(\\d\\d_[a-z_]+\\.sql)");
  private static final Pattern COMMAND = Pattern.compile("outbox-agent\\.jar ([a-z]+)");
  private static final Pattern PAGE = Pattern.compile("(?m)^\\| `(/[a-z]*)` \\|");
  private static final Pattern DECISION = Pattern.compile("docs/decisions/(\\d{4})");
  private static final Pattern PAGE_NAMED = Pattern.compile("\\b(docs/[A-Z][A-Z-]+\\.md)");

  private static final int PROSE_MAX = 100;
  private static final int README_MAX = 160;

  @Test
  void linksLeadToFilesAndHeadings() throws IOException {
    for (Path document : Documents.all()) {
      String prose = Documents.prose(Files.readString(document));
      var links = LINK.matcher(prose);
      while (links.find()) {
        String file = links.group(1);
        if (file.contains("://")) {
          continue;
        }
        Path target = file.isEmpty() ? document : document.resolveSibling(file).normalize();
        assertThat(target).as("%s links to %s", document, file).exists();
        if (links.group(2) != null) {
          assertThat(anchors(target)).as("headings of %s", target).contains(links.group(2));
        }
      }
    }
  }

  @Test
  void configurationsAreAccepted() throws IOException {
    Map<String, String> environment = Map.of("OUTBOX_DB_PASSWORD", "pw", "KAFKA_JAAS", "jaas");
    ConfigurationReader reader = new ConfigurationReader(environment);
    int count = 0;
    for (Path document : Documents.all()) {
      var blocks = AGENT_CONFIG.matcher(Files.readString(document));
      while (blocks.find()) {
        count++;
        assertThat(reader.faultsOf(blocks.group(1))).as("in %s", document).isEmpty();
      }
    }
    assertThat(count).as("blocks marked as agent-config").isGreaterThan(2);
    String compose = Files.readString(ROOT.resolve("config/agent.compose.yml"));
    assertThat(reader.faultsOf(compose)).as("agent.compose.yml").isEmpty();
  }

  @Test
  void sqlFilesExist() throws IOException {
    for (Path file : with(Documents.all(), ROOT.resolve("docker-compose.yml"))) {
      for (String name : all(SQL_FILE, file)) {
        assertThat(ROOT.resolve("schema/postgresql").resolve(name))
            .as("named in %s", file)
            .exists();
      }
    }
  }

  @Test
  void commandsExist() throws IOException {
    OutboxAgent agent = new OutboxAgent(Map.<String, String>of()::get);
    Bootstrap<AgentConfiguration> bootstrap = new Bootstrap<>(agent);
    agent.addDefaultCommands(bootstrap);
    List<String> commands = bootstrap.getCommands().stream().map(Command::getName).toList();
    for (Path file : with(Documents.all(), ROOT.resolve("config/agent.example.yml"))) {
      assertThat(commands).as("named in %s", file).containsAll(all(COMMAND, file));
    }
  }

  @Test
  void pagesExist() throws IOException {
    Environment environment = new Environment("docs");
    RunningAgent agent = new RunningAgent("1.2.3", "host", 1);
    Observatory.install(environment, agent, List.of(), new DeadThreads(), Clock.systemUTC());
    List<String> pages =
        Arrays.stream(environment.getAdminContext().getServletHandler().getServletMappings())
            .flatMap(mapping -> Arrays.stream(mapping.getPathSpecs()))
            // Dropwizard brings tasks, which the gate does not let through, and the health checks.
            // The
            // page of the root has the empty path.
            .filter(path -> !path.startsWith("/tasks"))
            // Parts of the page for people, which nobody opens alone.
            .filter(path -> !path.startsWith("/page."))
            .map(path -> path.isEmpty() ? "/" : path)
            .toList();
    assertThat(with(pages, "/healthcheck")).containsAll(all(PAGE, OPERATE));
    assertThat(all(PAGE, OPERATE)).as("table of pages").containsAll(pages);
  }

  @Test
  void everyStateIsExplained() throws IOException {
    String text = Files.readString(OPERATE);
    for (PipelineStatus.State state : PipelineStatus.State.values()) {
      assertThat(text).contains("| `" + state + "` |");
    }
  }

  @Test
  void decisionsNamedInCodeExist() throws IOException {
    List<String> decisions;
    try (Stream<Path> files = Files.list(ROOT.resolve("docs/decisions"))) {
      decisions = files.map(file -> file.getFileName().toString().substring(0, 4)).toList();
    }
    List<Path> sources;
    try (Stream<Path> files = Files.walk(SOURCES)) {
      sources = files.filter(file -> file.toString().endsWith(".java")).toList();
    }
    for (Path source : with(sources, ROOT.resolve("pom.xml"))) {
      assertThat(decisions).as("named in %s", source).containsAll(all(DECISION, source));
    }
  }

  /** Messages and comments that send somebody to a page. */
  @Test
  void pagesNamedInSourcesExist() throws IOException {
    List<Path> sources = Documents.files(".java", ".sql", ".yml", ".xml", ".txt", "Dockerfile");
    Set<String> named = new LinkedHashSet<>();
    for (Path source : sources) {
      named.addAll(all(PAGE_NAMED, source));
    }
    assertThat(named)
        .contains("docs/RUNBOOK.md")
        .allSatisfy(page -> assertThat(ROOT.resolve(page)).exists());
  }

  /** Whoever may not use what has no licence looks there. */
  @Test
  void theLicenceIsWhereItIsLookedFor() throws IOException {
    assertThat(Files.readString(ROOT.resolve("LICENSE"))).contains("Apache License", "Version 2.0");
    assertThat(Files.readString(ROOT.resolve("pom.xml"))).contains("<name>Apache-2.0</name>");
  }

  /** No engine is at hand here, so what can be wrong without one is looked at. */
  @Test
  void theImageNeedsNoBuildKitAndAsksThePortThatIsConfigured() throws IOException {
    String image = Files.readString(ROOT.resolve("Dockerfile"));
    assertThat(image).doesNotContain("syntax=", "--mount", "<<");
    assertThat(image).contains("ENV HEALTH_PORT=8081", "/dev/tcp/127.0.0.1/${HEALTH_PORT}");
    assertThat(Files.readString(ROOT.resolve("outbox-agent/pom.xml")))
        .as("the jar that is copied")
        .contains("<outputFile>${project.build.directory}/outbox-agent.jar</outputFile>");
    assertThat(image).contains("/src/outbox-agent/target/outbox-agent.jar ");
  }

  @Test
  void proseIsWrapped() throws IOException {
    for (Path document : Documents.all()) {
      assertThat(Documents.prose(Files.readString(document)).lines())
          .as("lines of %s", document)
          .filteredOn(line -> !line.stripLeading().startsWith("|"))
          .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(PROSE_MAX));
    }
  }

  @Test
  void theReadmeIsReadInFiveMinutes() throws IOException {
    assertThat(Files.readAllLines(README)).hasSizeLessThan(README_MAX);
  }

  private static <T> List<T> with(List<T> list, T more) {
    return Stream.concat(list.stream(), Stream.of(more)).toList();
  }

  private static Set<String> all(Pattern pattern, Path file) throws IOException {
    Set<String> found = new LinkedHashSet<>();
    pattern.matcher(Files.readString(file)).results().forEach(match -> found.add(match.group(1)));
    return found;
  }

  /** Headings as GitHub names them in links. */
  private static List<String> anchors(Path document) throws IOException {
    return HEADING
        .matcher(Documents.prose(Files.readString(document)))
        .results()
        .map(match -> match.group(1).toLowerCase(Locale.ROOT))
        .map(heading -> heading.replaceAll("[^a-z0-9 _-]", "").replace(' ', '-'))
        .toList();
  }
}
