package io.outboxinbox.agent.observe;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Rules that name what is not there never fire, and nobody notices. */
class AlertRulesTest {
  private static final Path ROOT = Path.of("..");
  private static final Pattern METRIC = Pattern.compile("\\boutbox_agent_[a-z_]+");
  private static final Pattern STATES = Pattern.compile("state=~?\"([A-Z_|]+)\"");

  private static List<JsonNode> rules() throws IOException {
    JsonNode root =
        new ObjectMapper(new YAMLFactory())
            .readTree(ROOT.resolve("config/prometheus-rules.yml").toFile());
    List<JsonNode> rules = new ArrayList<>();
    root.path("groups").forEach(group -> group.path("rules").forEach(rules::add));
    assertThat(rules).isNotEmpty();
    return rules;
  }

  private static Set<String> all(Pattern pattern, String text) {
    return pattern
        .matcher(text)
        .results()
        .map(match -> match.group(match.groupCount()))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static String expressions() throws IOException {
    return rules().stream()
        .map(rule -> rule.path("expr").asText())
        .collect(Collectors.joining("\n"));
  }

  private static List<String> states(String expressions) {
    return all(STATES, expressions).stream()
        .flatMap(states -> Arrays.stream(states.split("\\|")))
        .toList();
  }

  @Test
  void everyMetricNamedInARuleExists() throws IOException {
    Set<String> served =
        all(Pattern.compile("(?m)^outbox_agent_[a-z_]+"), ObservatoryTest.metrics());
    assertThat(served).containsAll(all(METRIC, expressions()));
  }

  @Test
  void everyStateNamedInARuleExists() throws IOException {
    List<String> named = states(expressions());
    assertThat(named).isNotEmpty();
    assertThat(Arrays.stream(State.values()).map(State::name)).containsAll(named);
  }

  @Test
  void thereIsARuleForEachMetricTheDocumentsTellToAlertOn() throws IOException {
    String page = Files.readString(ROOT.resolve("docs/OPERATE.md"));
    int start = page.indexOf("## Alerts");
    String table = page.substring(start, page.indexOf("\n\n", page.indexOf("|---|", start)));
    assertThat(all(METRIC, table)).hasSizeGreaterThan(8);
    assertThat(all(METRIC, expressions())).containsAll(all(METRIC, table));
  }

  @Test
  void everyRuleSaysHowUrgentItIsAndWhereTheRunbookHelps() throws IOException {
    String runbook = Files.readString(ROOT.resolve("docs/RUNBOOK.md"));
    Set<String> headings = all(Pattern.compile("(?m)^##+ (.+)$"), runbook);
    for (JsonNode rule : rules()) {
      String name = rule.path("alert").asText();
      assertThat(rule.at("/labels/severity").asText()).as(name).isIn("page", "ticket");
      assertThat(rule.at("/annotations/summary").asText()).as(name).isNotEmpty();
      String section = rule.at("/annotations/runbook").asText();
      assertThat(headings)
          .as(name)
          .containsAll(
              section.equals("{{ $labels.state }}")
                  ? states(rule.path("expr").asText())
                  : List.of(section));
    }
  }
}
