package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.source.AgentTables;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class AgentTablesPreflightTest {
  private static final Path SCHEMA = Path.of("../schema/postgresql");

  private static Set<String> all(String regex, String text) {
    Set<String> found = new TreeSet<>();
    Matcher matcher = Pattern.compile(regex).matcher(text);
    while (matcher.find()) {
      found.add(matcher.group(1));
    }
    return found;
  }

  @Test
  void looksAtEveryTableOfTheAgent() throws IOException {
    String sql = Files.readString(SCHEMA.resolve("04_agent.sql"));
    assertThat(AgentTables.names()).isEqualTo(all("CREATE TABLE IF NOT EXISTS (\\w+)", sql));
  }

  @Test
  void looksAtEveryIndexTheFileMakesOrDrops() throws IOException {
    String sql = Files.readString(SCHEMA.resolve("04_agent.sql"));
    assertThat(AgentTablesPreflight.INDEXES)
        .containsExactlyInAnyOrderElementsOf(all("CREATE INDEX IF NOT EXISTS (\\w+)", sql));
    String dropped = sql.substring(sql.indexOf("DO $$"), sql.indexOf("DROP INDEX %s"));
    Set<String> both = new TreeSet<>(AgentTablesPreflight.INDEXES);
    both.addAll(AgentTablesPreflight.OLD_INDEXES);
    assertThat(all("'(outbox_\\w+_[a-z]+)'", dropped)).isEqualTo(both);
  }

  @Test
  void asksForNoRightTheRolesFileDoesNotGrant() throws IOException {
    TreeMap<String, Set<String>> granted = new TreeMap<>();
    Matcher grants =
        Pattern.compile("GRANT ([A-Z, ]+) ON ([a-z_, ]+) TO outbox_agent;")
            .matcher(Files.readString(SCHEMA.resolve("05_roles.sql")));
    while (grants.find()) {
      for (String table : grants.group(2).split(", ", -1)) {
        granted
            .computeIfAbsent(table, name -> new TreeSet<>())
            .addAll(Arrays.asList(grants.group(1).split(", ", -1)));
      }
    }
    TreeMap<String, List<String>> needed = new TreeMap<>(AgentTables.PRIVILEGES);
    needed.putAll(AgentTables.OF_POSITIONS);
    needed.forEach(
        (table, rights) ->
            assertThat(granted.getOrDefault(table, Set.of()))
                .as(table)
                .containsAll(List.copyOf(rights)));
  }
}
