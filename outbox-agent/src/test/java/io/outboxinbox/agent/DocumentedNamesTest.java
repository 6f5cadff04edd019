package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import io.dropwizard.core.cli.Command;
import io.dropwizard.core.setup.Bootstrap;
import io.outboxinbox.agent.configure.AgentConfiguration;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whoever renames something learns which pages still have the old name. */
class DocumentedNamesTest {
  private static final Path OPERATE = Documents.ROOT.resolve("docs/OPERATE.md");
  private static final Path RELIABILITY = Documents.ROOT.resolve("docs/RELIABILITY.md");

  /** The first cells of the table of commands. */
  private static final Pattern COMMANDS = Pattern.compile("(?m)^\\| (`[a-z]+`(?:, `[a-z]+`)*) \\|");

  private static final Pattern COMMAND = Pattern.compile("`([a-z]+)`");
  private static final Pattern TEST =
      Pattern.compile("`[A-Z]\\w+(?:Test|IT|Contract|Properties)\\.\\w+`");

  private static DocumentedNames names;

  @BeforeAll
  static void readSources() throws IOException {
    names = new DocumentedNames(SourceNames.read(), commands());
  }

  private static Set<String> commands() {
    OutboxAgent agent = new OutboxAgent(Map.<String, String>of()::get);
    Bootstrap<AgentConfiguration> bootstrap = new Bootstrap<>(agent);
    agent.addDefaultCommands(bootstrap);
    return bootstrap.getCommands().stream().map(Command::getName).collect(Collectors.toSet());
  }

  /** What keeps the next test from being green because it finds no names. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "A class is `PipelineStats`.",
        "A class and what it has: `Inbox.admitt`.",
        "A call: `InboxRetention.offf(inbox, Duration.ofDays(14))`.",
        "A call of a variable: `inbox.commitAndAdmitt`.",
        "A call: `retryByFource(...)`.",
        "A nested class: `InboxException.Unfinisht`.",
        "A test: `LedgerFaultTest.losesEverything`.",
        "A test's name, which another test has: `LedgerFaultTest.refusesLostPositionTopic`.",
        "A metric: `outbox_agent_parked_lost`.",
        "A metric in an expression: `outbox_agent_hiden_seconds > 120`.",
        "A metric:\n\n```\nrate(outbox_agent_restart_total[5m])\n```\n",
        "A metric of the library: `inbox_stat`.",
        "A table: `outbox_parkt`.",
        "A function: `outbox_partitions_make(8)`.",
        "A key: `source.hots`.",
        "A key of another block: `source.perMinute`.",
        "A key with a value: `wal.whenUsedUp: release`.",
        "A key with a value: `onGaps: reconcile`.",
        "A key alone: `takeoverAfterwards`.",
        "A command: `java -jar outbox-agent.jar reconsile agent.yml`.",
        "A command:\n\n```sh\njava -jar outbox-agent.jar replays agent.yml\n```\n",
        "An action: `parked free 17`.",
        "An option: `parked list --sins 1h`.",
        "An option alone: `--leave-out-rows`.",
        "A long form: `e2e/soak leger`.",
        "A setting: `-Dledger.seeds=1`.",
        "A property of Kafka: `max.messages.bytes`.",
        "A state: `WAITING_FOR_BROKERS`.",
        "A file: `06_roles.sql`.",
        "A room: `source/logs`.",
        "A page: `/redy`.",
      })
  void aNameThatIsNowhereIsFound(String page) {
    assertThat(names.unknownIn(page)).hasSize(1);
  }

  @Test
  void whatDocumentsNameExists() throws IOException {
    Map<Path, List<String>> unknown = new LinkedHashMap<>();
    for (Path page : Documents.all()) {
      List<String> found =
          Documents.isOfThePast(page) ? List.of() : names.unknownIn(Files.readString(page));
      if (!found.isEmpty()) {
        unknown.put(page, found);
      }
    }
    assertThat(unknown).isEmpty();
  }

  @Test
  void everyCommandIsOnThePageThatSaysHowToOperate() throws IOException {
    String page = Files.readString(OPERATE);
    String table = page.substring(page.indexOf("## Commands"), page.indexOf("## Two agents"));
    Set<String> listed =
        COMMANDS
            .matcher(table)
            .results()
            .flatMap(cell -> COMMAND.matcher(cell.group(1)).results())
            .map(command -> command.group(1))
            .collect(Collectors.toSet());
    assertThat(listed).containsExactlyInAnyOrderElementsOf(commands());
  }

  @Test
  void testsProveReliability() throws IOException {
    assertThat(TEST.matcher(Files.readString(RELIABILITY)).results().count()).isGreaterThan(50);
  }
}
