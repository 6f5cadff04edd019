package io.outboxinbox.agent.observe;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What can be said of the page for people without a browser: that it asks for what there is, and
 * that it runs nothing of what it is told. PageInBrowserIT looks at it.
 */
class PageFilesTest {
  static String read(String name) {
    return Page.file(name, "text/plain").body();
  }

  /** Everything the script takes from what it calls by that name has to be in the JSON. */
  static void assertNames(String variable, JsonNode json) {
    String script = read("page.js");
    String quoted = Pattern.quote(variable);
    Stream<String> members =
        Pattern.compile("\\b" + quoted + "\\.(\\w+)")
            .matcher(script)
            .results()
            .map(PageFilesTest::first);
    Stream<String> taken =
        Pattern.compile("\\{ ([\\w, ]+) } = " + quoted + ";")
            .matcher(script)
            .results()
            .flatMap(names -> Arrays.stream(names.group(1).split(", ")));
    Set<String> used = Stream.concat(members, taken).collect(Collectors.toSet());
    assertThat(used).as(variable).isNotEmpty().allMatch(json::has);
  }

  private static String first(MatchResult match) {
    return match.group(1);
  }

  @Test
  void statusHasWhatThePageShows() throws Exception {
    String body = ObservatoryTest.view(ObservatoryTest.withParked(State.LEADING)).json().body();
    JsonNode status = new ObjectMapper().readTree(body);
    assertNames("says", status);
    assertNames("says.agent", status.path("agent"));
    JsonNode pipeline = status.at("/pipelines/0");
    assertNames("pipeline", pipeline);
    for (String part : new String[] {"handover", "wal", "retention"}) {
      assertNames("pipeline." + part, pipeline.path(part));
    }
    assertNames("handover", pipeline.path("handover"));
  }

  @Test
  void whatItIsToldIsTextAndNeverMarkup() {
    assertThat(read("page.js"))
        .contains("made.append(...children)")
        .doesNotContain("innerHTML", "outerHTML", "insertAdjacent", "srcdoc", "DOMParser")
        .doesNotContain("document.write", "createContextualFragment", "eval(", "Function(");
    // Attributes are ours, but for addresses, which all begin with a question mark.
    assertThat(read("page.js")).doesNotContain("href: `${", "href: pipeline", "location =");
  }

  @Test
  void thePageNeedsNoScriptOrStyleWithinIt() {
    assertThat(read("page.html"))
        .containsPattern("<script src=\"page\\.js\" defer></script>")
        .doesNotContainPattern("<script>|<style|style=|\\son\\w+=|javascript:");
  }

  @ParameterizedTest
  @ValueSource(strings = {"page.html", "page.css", "page.js"})
  void nothingComesFromElsewhere(String name) {
    assertThat(read(name)).doesNotContain("://", "src=\"/", "href=\"/", "@import", "url(");
  }

  @Test
  void saysWhatToReadWithoutJavaScript() {
    assertThat(read("page.html"))
        .contains("JavaScript is off", "href=\"ready\"", "href=\"status\"")
        .contains("href=\"parked?format=json\"");
  }

  @Test
  void asksAgainEveryFiveSecondsAndSaysWhenNobodyAnswers() {
    assertThat(read("page.js"))
        .contains("REFRESH_MILLIS = 5_000", "setTimeout(resolve, REFRESH_MILLIS)")
        .contains("AbortSignal.timeout", "the agent does not answer: ");
  }
}
