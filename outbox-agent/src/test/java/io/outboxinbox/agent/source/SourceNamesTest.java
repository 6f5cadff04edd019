package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.ConfigurationReader;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Names that nobody chose, and that are shared by a database, a server or a process. */
class SourceNamesTest {
  private static final String LONG = "d".repeat(63);

  private static SourceConfiguration source(String where) throws Exception {
    return new ConfigurationReader(Map.of())
        .read(
            """
            pipelines:
              - name: orders
                source: {username: outbox_agent, password: pw, %s}
                route: {allowedTopics: [order]}
                publish: {type: kafka, bootstrapServers: "localhost:9092"}
            """
                .formatted(where))
        .pipelines()
        .get(0)
        .source();
  }

  @Test
  void slotsDifferByDatabaseAndPublicationAndAreValid() throws Exception {
    List<String> slots =
        Stream.of(
                source("database: shop"),
                source("database: Shop"),
                source("database: shop-2"),
                source("database: shop_2"),
                source("database: " + LONG),
                source("database: " + LONG.substring(1) + "e"),
                source("database: shop, schema: orders"),
                source("database: shop, schema: billing"),
                source("database: shop, publication: mine"),
                source("database: shop_orders"))
            .map(SourceConfiguration::slot)
            .toList();
    assertThat(slots).doesNotHaveDuplicates().allMatch(slot -> slot.matches("[a-z0-9_]{1,63}"));
    assertThat(slots.get(0)).isEqualTo("outbox_agent_shop");
  }

  @Test
  void publicationsDifferBySchemaAndTable() throws Exception {
    assertThat(source("database: shop").publication()).isEqualTo("outbox_publication");
    assertThat(source("database: shop, schema: orders").publication())
        .isEqualTo("outbox_publication_orders");
    // As 03_publication.sql makes it.
    assertThat(
            SourceNames.publication(
                "a_schema_with_a_name_so_long_that_nothing_fits_behind_it_any_63", "outbox_event"))
        .isEqualTo("outbox_publication_a_schema_with_a_name_so_long_that_n_0640bb26");
    assertThat(SourceNames.publication("My Schema, (v2)", "outbox_event"))
        .isEqualTo("outbox_publication_my_schema_v2__433e4255");
    assertThat(SourceNames.publication("Größe", "outbox_event"))
        .isEqualTo("outbox_publication_gr_e_d2484533");
    assertThat(SourceNames.publication("public", "Outbox"))
        .matches("outbox_publication_outbox_[0-9a-f]{8}");
  }

  /** Debezium would find another than the server's decoder, or none. */
  @Test
  void publicationsAreNamedSoThatNobodyHasToQuoteThem() {
    for (String schema : List.of("public", "Orders", "1st", "a-b", "ÄÖÜ", "x".repeat(63))) {
      for (String table : List.of("outbox_event", "Outbox", "o'x", "ÄÖÜ", "x".repeat(63))) {
        assertThat(SourceNames.publication(schema, table)).matches("[a-z_][a-z0-9_]{0,62}");
      }
    }
  }

  @Test
  void tablesThatReadAlikeHavePublicationsOfTheirOwn() {
    assertThat(SourceNames.publication("public", "a")).isEqualTo("outbox_publication_a");
    assertThat(
            List.of(
                SourceNames.publication("a", "outbox_event"),
                SourceNames.publication("a", "b_c"),
                SourceNames.publication("a_b", "c"),
                SourceNames.publication("a_b_c", "outbox_event")))
        .doesNotHaveDuplicates();
  }

  @Test
  void whatTheConfigurationNamesStays() throws Exception {
    SourceConfiguration named = source("database: shop, slot: mine, publication: ours");
    assertThat(named.slot()).isEqualTo("mine");
    assertThat(named.publication()).isEqualTo("ours");
  }

  @Test
  void debeziumsSessionsGetWhatTheirServerKnows() {
    assertThat(SessionSettings.options(16))
        .contains("-c search_path=pg_catalog ")
        .contains("-c idle_session_timeout=0", "-c statement_timeout=0")
        .doesNotContain("-c transaction_timeout");
    assertThat(SessionSettings.options(17)).contains("-c transaction_timeout=0");
    assertThat(SessionSettings.options("0"))
        .contains("-c default_transaction_isolation=read\\ committed", "-c row_security=off");
  }
}
