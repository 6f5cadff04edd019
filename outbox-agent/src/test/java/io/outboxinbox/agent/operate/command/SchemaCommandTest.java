package io.outboxinbox.agent.operate.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.dropwizard.core.setup.Bootstrap;
import io.outboxinbox.agent.CommandRun;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.sourceforge.argparse4j.inf.Namespace;
import org.junit.jupiter.api.Test;

class SchemaCommandTest {

  private static String print(Map<String, Object> arguments) throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    new SchemaCommand(new PrintStream(printed, true, StandardCharsets.UTF_8))
        .run(new Bootstrap<>(CommandRun.agent()), new Namespace(new HashMap<>(arguments)));
    return printed.toString(StandardCharsets.UTF_8);
  }

  @Test
  void printsEveryFileInOrder() throws Exception {
    String sql = print(Map.of());
    assertThat(sql).startsWith("-- ==== 01_");
    assertThat(sql.indexOf("CREATE TABLE IF NOT EXISTS outbox_event"))
        .isPositive()
        .isLessThan(sql.indexOf("CREATE PUBLICATION %I FOR TABLE outbox_event"));
    assertThat(sql.lines().filter(line -> line.startsWith("-- ==== "))).isSorted().hasSize(5);
  }

  @Test
  void keepsTheTablesOfConsumersApart() throws Exception {
    assertThat(print(Map.of())).doesNotContain("inbox_message");
    assertThat(print(Map.of("consumer", true)))
        .contains("CREATE TABLE IF NOT EXISTS inbox_message")
        .doesNotContain("outbox_event");
  }

  @Test
  void printsOneFileOnRequest() throws Exception {
    assertThat(print(Map.of("only", "03")).lines().filter(line -> line.startsWith("-- ==== ")))
        .singleElement()
        .asString()
        .startsWith("-- ==== 03_publication.sql");
  }

  @Test
  void putsEverythingIntoTheSchemaAskedFor() throws Exception {
    assertThat(print(Map.of("schema_name", "shop")))
        .startsWith("CREATE SCHEMA IF NOT EXISTS \"shop\";")
        .contains("SET search_path = \"shop\";");
    assertThat(print(Map.of("schema_name", "My Shop; DROP")))
        .contains("SET search_path = \"My Shop; DROP\";");
  }

  @Test
  void refusesNamesThatCannotBeReadAndFilesThatDoNotExist() {
    for (String name : List.of("x\"", "a.b", "", "x".repeat(64))) {
      assertThatThrownBy(() -> print(Map.of("schema_name", name)))
          .hasMessageContaining("--schema-name must be 1 to 63 bytes");
    }
    assertThatThrownBy(() -> print(Map.of("only", "99")))
        .hasMessageContaining("no file begins with 99; there are 01_outbox.sql");
  }
}
