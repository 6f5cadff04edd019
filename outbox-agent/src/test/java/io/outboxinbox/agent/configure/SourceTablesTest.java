package io.outboxinbox.agent.configure;

import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** One table, named by keys of the source, or a list of them. */
class SourceTablesTest {
  private static final String GOOD =
      """
      pipelines:
        - name: orders
          source:
            database: shop
            username: agent
            password: pw
          route:
            allowedTopics: [order]
          publish:
            type: kafka
            bootstrapServers: localhost:9092
      """;

  private final ConfigurationReader reader = new ConfigurationReader(Map.of());

  private PipelineConfiguration readOne(String yaml) throws Exception {
    return reader.read(yaml).pipelines().get(0);
  }

  private static String inSource(String... lines) {
    return GOOD.replace(
        "      password: pw\n",
        "      password: pw\n      " + String.join("\n      ", lines) + "\n");
  }

  @Test
  void aListOfOneTableMeansTheSameAsItsName() throws Exception {
    SourceConfiguration named =
        readOne(
                inSource(
                    "table: Outbox",
                    "layout: debezium",
                    "columns: {payload: body}",
                    "extraColumns: [tenant]"))
            .source();
    SourceConfiguration listed =
        readOne(
                inSource(
                    "tables: [{table: Outbox, layout: debezium, columns: {payload: body}, extraColumns: [tenant]}]"))
            .source();
    assertThat(listed.outboxes()).isEqualTo(named.outboxes());
    assertThat(listed).hasToString(named.toString());
    assertThat(readOne(inSource("tables: [{}]")).source().outboxes())
        .isEqualTo(readOne(GOOD).source().outboxes());
    assertThat(
            readOne(inSource("existingRows: skip", "tables: [{existingRows: publish}]"))
                .source()
                .outboxes())
        .extracting(OutboxTable::existingRows)
        .containsExactly(ExistingRows.PUBLISH);
  }

  @Test
  void namesTheFaultsOfEachTableOfAList() throws Exception {
    assertThat(
            reader.faultsOf(
                inSource("table: a", "tables: [{table: a.b, layout: debesium, colums: {}}]")))
        .map(fault -> fault.substring("pipelines[0].source.".length()))
        .satisfiesExactlyInAnyOrder(
            fault -> assertThat(fault).startsWith("tables[0].table: is a.b; must be the name"),
            fault ->
                assertThat(fault)
                    .isEqualTo("tables[0].layout: is debesium; must be one of standard, debezium"),
            fault ->
                assertThat(fault).isEqualTo("tables[0].colums: unknown key; did you mean columns?"),
            fault ->
                assertThat(fault)
                    .isEqualTo(
                        "table: is a; must be left out beside tables; say it in an entry of the list"));
    assertThat(reader.faultsOf(inSource("tables: [{}, {table: b}, {table: b}]")))
        .singleElement()
        .asString()
        .contains("source.tables[2].table: is b; must be named once");
    assertThat(reader.faultsOf(inSource("tables: [~]"))).isNotEmpty();
    String seventeen =
        IntStream.range(0, 17).mapToObj("{table: t%d}"::formatted).collect(joining(", "));
    assertThat(reader.faultsOf(inSource("publication: p", "tables: [" + seventeen + "]")))
        .anyMatch(
            fault -> fault.contains("source.tables: ") && fault.contains("must have 1 to 16"));
    assertThat(reader.faultsOf(inSource("tables: []")))
        .singleElement()
        .asString()
        .contains("source.tables", "must have");
  }

  /** From the order of the list it would change with it, and with that the source. */
  @Test
  void severalTablesNeedAPublicationWhereNoneIsTheUsualOne() throws Exception {
    assertThat(reader.faultsOf(inSource("tables: [{table: a}, {table: b}]")))
        .singleElement()
        .asString()
        .contains("source.publication: ", "must be named where several tables are read");
    for (String tables :
        List.of("[{table: outbox_event}, {table: b}]", "[{table: b}, {table: outbox_event}]")) {
      SourceConfiguration source = readOne(inSource("tables: " + tables)).source();
      assertThat(source.publication()).isEqualTo("outbox_publication");
      assertThat(source.slot()).isEqualTo(readOne(GOOD).source().slot());
    }
    assertThat(
            readOne(inSource("publication: mine", "tables: [{table: a}, {table: b}]"))
                .source()
                .publication())
        .isEqualTo("mine");
  }

  @Test
  void eachTableIsRoutedByItsEntryOrElseAsThePipelineIs() throws Exception {
    PipelineConfiguration pipeline =
        readOne(
            inSource(
                "tables: [{}, {table: event, topic: 'private.{tenant}', key: '{tenant}', allowedTopics: [private.*], extraColumns: [tenant]}]"));
    assertThat(pipeline.topicTemplates())
        .containsExactly(
            Map.entry("outbox_event", "{aggregate_type}"), Map.entry("event", "private.{tenant}"));
    assertThat(pipeline.routes().get("outbox_event").allowedTopics()).containsExactly("order");
    assertThat(pipeline.routes().get("event").allowedTopics()).containsExactly("private.*");
    assertThat(pipeline.router().allowedTopics()).containsExactly("order", "private.*");
    // A column of the one table is none of the other.
    assertThat(
            reader.faultsOf(
                inSource("tables: [{topic: '{tenant}'}, {table: b, extraColumns: [tenant]}]")))
        .singleElement()
        .asString()
        .contains("source.tables[0].topic: ", "extraColumns [] of table outbox_event");
  }

  @Test
  void namesTheFaultsOfEachTablesRoute() throws Exception {
    assertThat(
            reader.faultsOf(
                inSource(
                    "tables: [{topic: 'shop.{tenant}', key: '{id', allowedTopics: [outbox-agent-positions]}]")))
        .map(fault -> fault.substring("pipelines[0].source.".length()))
        .satisfiesExactlyInAnyOrder(
            fault ->
                assertThat(fault)
                    .startsWith("tables[0].topic: ")
                    .endsWith("event_type, id and extraColumns [] of table outbox_event"),
            fault -> assertThat(fault).startsWith("tables[0].key: ").contains("never closed"),
            fault ->
                assertThat(fault)
                    .startsWith("tables[0].allowedTopics[0]: ")
                    .contains("must not be a topic of the agent itself"));
    assertThat(reader.faultsOf(inSource("tables: [{topic: invoices}]")))
        .singleElement(org.assertj.core.api.InstanceOfAssertFactories.STRING)
        .startsWith("pipelines[0].source.tables[0].topic: ")
        .contains("matches none of route.allowedTopics [order]");
  }
}
