package io.outboxinbox.agent.configure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.dropwizard.configuration.ConfigurationException;
import io.dropwizard.core.server.SimpleServerFactory;
import io.dropwizard.jetty.HttpConnectorFactory;
import io.dropwizard.jetty.HttpsConnectorFactory;
import io.outboxinbox.agent.configure.PipelineConfiguration.WhenSpent;
import io.outboxinbox.agent.publish.kafka.KafkaConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.SslMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConfigurationFaultsTest {
  private static final String CANARY = "canary-3f9c";

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

  private final ConfigurationReader reader =
      new ConfigurationReader(Map.of("PORT", "6543", "PW", CANARY, "EMPTY", ""));

  private PipelineConfiguration readOne(String yaml) throws Exception {
    return reader.read(yaml).pipelines().get(0);
  }

  @Test
  void fillsInDefaultsWhereTheFileIsSilent() throws Exception {
    PipelineConfiguration pipeline = readOne(GOOD);
    SourceConfiguration source = pipeline.source();
    assertThat(source.host()).isEqualTo("localhost");
    assertThat(source.port()).isEqualTo(5432);
    assertThat(source.sslMode()).isEqualTo(SslMode.VERIFY_FULL);
    assertThat(source.outboxes().get(0).columns()).isEmpty();
    assertThat(source.tableNames()).isEqualTo("outbox_event");
    assertThat(source.maxQueueBytes()).isEqualTo(64L << 20);
    assertThat(pipeline.leadership().takeoverAfter()).isEqualTo(Duration.ofSeconds(5));
    assertThat(pipeline.retry().initial()).isEqualTo(Duration.ofMillis(500));
    assertThat(pipeline.route().topic()).isEqualTo("{aggregate_type}");
    assertThat(((KafkaConfiguration) pipeline.publish()).positionReplicationFactor())
        .isEqualTo((short) 3);
  }

  @Test
  void logsAsJsonWhereAsked() throws Exception {
    String logging = "logging: {appenders: [{type: console, layout: {type: %s}}]}\n";
    assertThat(reader.read(GOOD + logging.formatted("json")).getLoggingFactory()).isNotNull();
    assertThatThrownBy(() -> reader.read(GOOD + logging.formatted("xml")))
        .hasMessageContaining("logging.appenders[0].layout.type")
        .hasMessageContaining("json");
  }

  @Test
  void readsUnitsAndWordsAsPeopleWriteThem() throws Exception {
    SourceConfiguration source =
        readOne(
                GOOD.replace(
                    "password: pw",
                    """
                    password: pw
                          port: ${PORT}
                          sslMode: Verify_CA
                          maxQueueBytes: 2 MiB
                          columns: {payload: body, AGGREGATE-TYPE: kind}"""))
            .source();
    assertThat(source.port()).isEqualTo(6543);
    assertThat(source.sslMode()).isEqualTo(SslMode.VERIFY_CA);
    assertThat(source.maxQueueBytes()).isEqualTo(2L << 20);
    assertThat(source.columns())
        .isEqualTo(Map.of(Column.PAYLOAD, "body", Column.AGGREGATE_TYPE, "kind"));
  }

  @Test
  void namesEveryFaultAtOnceWithPathValueRuleAndNearestKey() throws Exception {
    String yaml =
        """
        pipelines:
          - name: Orders!
            source:
              prot: 5433
              port: many
              database: shop
              username: agent
              sslMode: verify-ful
              maxQueueBytes: lots
              columns: {paylod: body}
              slot: my-slot
            route:
              allowedTopics: []
              headers: [a]
            publish:
              type: kafka
              bootstrapServers: ${KAFKA}
              transactionTimeout: 2s
              properties:
                acks: "1"
                partitioner.ignore.keys: true
                linger.mss: 5
            batch:
              maxEvents: 0
            leadership:
              takeoverAfter: 2s
              stallAfter: 20
            retry: fast
        server:
          connector: {prt: 9090}
        loging: {level: INFO}
        """;
    assertThat(reader.faultsOf(yaml))
        .containsExactlyInAnyOrder(
            "pipelines[0].name: is Orders!; must start with a-z or 0-9 and have at most 63 of a-z, 0-9, _ and -",
            "pipelines[0].source.prot: unknown key; did you mean port?",
            "pipelines[0].source.port: is many; must be a whole number that fits",
            "pipelines[0].source.sslMode: is verify-ful; must be one of disable, require, verify-ca, verify-full",
            "pipelines[0].source.maxQueueBytes: is lots; must be a size with a unit, such as 64MiB",
            "pipelines[0].source.columns.paylod: unknown key; did you mean payload?",
            "pipelines[0].source.slot: is my-slot; must be 1 to 63 of a-z, 0-9 and _",
            "pipelines[0].source.password: exactly one of password and passwordFile is needed, there is none",
            "pipelines[0].route.allowedTopics: is empty; must name the topics events may go to, such as orders or shop.*",
            "pipelines[0].route.headers: is a list; must be a single value",
            "pipelines[0].publish.bootstrapServers: ${KAFKA} is not set in the environment; set it or write ${KAFKA:-default}",
            "pipelines[0].publish.transactionTimeout: is 2s; must be 5s to 15m",
            "pipelines[0].publish.properties.acks: the agent sets this itself; remove it: exactly-once rests on it",
            "pipelines[0].publish.properties.partitioner.ignore.keys: the agent sets this itself; remove it: order per key rests on it",
            "pipelines[0].publish.properties.linger.mss: is no property the agent passes on; did you mean linger.ms?",
            "pipelines[0].batch.maxEvents: is 0; must be 1 to 100000",
            "pipelines[0].leadership.takeoverAfter: is 2s; must be at least 3 times pulseInterval",
            "pipelines[0].leadership.stallAfter: is 20; must be a duration with a unit, such as 30s",
            "pipelines[0].retry: is fast; must be a block of keys",
            "server.connector.prt: unknown key; did you mean port?",
            "loging: unknown key; did you mean logging?");
  }

  @Test
  void takesNamesAsTheCatalogHasThem() throws Exception {
    SourceConfiguration source =
        readOne(
                inSource(
                    "schema: My Schema",
                    "table: Outbox",
                    "columns: {aggregate_type: 'a, b', payload: 'd.o.t'}",
                    "extraColumns: [tenantId, 'Größe (cm)', '" + "x".repeat(63) + "']"))
            .source();
    assertThat(source.schema()).isEqualTo("My Schema");
    assertThat(source.outboxes().get(0).mappedColumns())
        .containsEntry(Column.AGGREGATE_TYPE, "a, b");
    assertThat(source.publication()).matches("outbox_publication_my_schema_outbox_[0-9a-f]{8}");
  }

  @Test
  void refusesNamesThatCannotBeReadAndSaysWhy() throws Exception {
    String asInCatalog = "must be the name as the catalog has it, without quotes";
    assertThat(
            reader.faultsOf(
                inSource(
                    "schema: a.b",
                    "table: '\"Outbox\"'",
                    "publication: Outbox",
                    "columns: {payload: \"it's\", headers: " + "ü".repeat(32) + "}",
                    "extraColumns: [\"a\\nb\", ''," + "ü".repeat(32) + "]")))
        .allMatch(fault -> fault.startsWith("pipelines[0].source."))
        .map(fault -> fault.substring("pipelines[0].source.".length()))
        .satisfiesExactlyInAnyOrder(
            fault -> assertThat(fault).startsWith("schema: is a.b; " + asInCatalog + ", dots"),
            fault -> assertThat(fault).startsWith("table: is \"Outbox\"; " + asInCatalog),
            fault -> assertThat(fault).contains("publication: is Outbox; ", "RENAME"),
            fault -> assertThat(fault).contains("columns.PAYLOAD", asInCatalog),
            fault -> assertThat(fault).contains("headers", "must have at most 63 bytes"),
            fault -> assertThat(fault).contains("extraColumns[0]", asInCatalog),
            fault -> assertThat(fault).contains("extraColumns[1]", asInCatalog),
            fault -> assertThat(fault).contains("extraColumns[2]", "must have at most 63 bytes"));
  }

  private static String inSource(String... lines) {
    return GOOD.replace(
        "      password: pw\n",
        "      password: pw\n      " + String.join("\n      ", lines) + "\n");
  }

  /** Debezium puts the name into a URL as it is. */
  @Test
  void refusesDatabasesWhoseNamesNoReaderOfTheLogCanTake() throws Exception {
    for (String name : List.of("50%off", "a+b", "a?b", "a/b", "a#b", "a b")) {
      assertThat(reader.faultsOf(GOOD.replace("shop", "'" + name + "'")))
          .singleElement()
          .asString()
          .contains("pipelines[0].source.database: is " + name)
          .contains("must be the name of the database, without blanks and / ? # % +");
    }
    for (String name : List.of("Bü&ro=1;a@b,c:d", "a-b.c", "it's$\\")) {
      assertThat(readOne(GOOD.replace("shop", "\"" + name.replace("\\", "\\\\") + "\"")).source())
          .extracting(SourceConfiguration::database)
          .isEqualTo(name);
    }
  }

  @Test
  void pointsToTheLine() {
    assertThatThrownBy(() -> reader.read(GOOD + "    batch: {maxEvents: 0}\n"))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining("maxEvents: is 0; must be 1 to 100000 (line 12)");
  }

  @Test
  void tellsTheMissingApartFromTheWrong() throws Exception {
    assertThat(reader.faultsOf("pipelines: [{}]"))
        .contains(
            "pipelines[0].name: is missing; must start with a-z or 0-9 and have at most 63 of a-z, 0-9, _ and -",
            "pipelines[0].source.database: is missing; must be the name of the database, without blanks and / ? # % +: Debezium puts it into a URL as it is; see ALTER DATABASE ... RENAME",
            "pipelines[0].publish: is missing; must be the broker's block, such as type: kafka");
  }

  @Test
  void refusesAConfigurationWithoutPipelines() throws Exception {
    List<String> expected = List.of("pipelines: is missing; must hold at least one pipeline");
    assertThat(reader.faultsOf("")).isEqualTo(expected);
    assertThat(reader.faultsOf("pipelines:\n")).isEqualTo(expected);
    assertThat(reader.faultsOf("pipelines: []"))
        .containsExactly("pipelines: is empty; must hold at least one pipeline");
    assertThat(reader.faultsOf("- a"))
        .contains("file: must be a block of keys, such as pipelines:");
    assertThat(reader.faultsOf("pipelines: [~]"))
        .containsExactly("pipelines[0]: is missing; must be a pipeline's block");
    assertThat(reader.faultsOf("pipelines: [orders]"))
        .containsExactly("pipelines[0]: is orders; must be a block of keys");
  }

  @Test
  void refusesUnknownBrokers() throws Exception {
    assertThat(reader.faultsOf(GOOD.replace("type: kafka", "type: kafak")))
        .containsExactly("pipelines[0].publish.type: is kafak; must be one of kafka");
    assertThat(reader.faultsOf(GOOD.replace("type: kafka", "")))
        .containsExactly("pipelines[0].publish.type: is missing; must be one of kafka");
  }

  @Test
  void refusesAKeyWrittenTwice() throws Exception {
    assertThat(reader.faultsOf(GOOD + "    name: again\n"))
        .containsExactly("pipelines[0].name: is written twice, lines 2 and 12; keep one");
  }

  @Test
  void retentionNeedsTheTableWithPartitions() throws Exception {
    assertThat(readOne(GOOD + "    retention: {keep: off}\n").retention().kept()).isEmpty();
    assertThat(readOne(GOOD + "    retention: {keep: 7d}\n").retention().kept())
        .contains(Duration.ofDays(7));
    for (String keep : List.of("0d", "7", "12h", "yes")) {
      assertThat(reader.faultsOf(GOOD + "    retention: {keep: " + keep + "}\n"))
          .as(keep)
          .singleElement()
          .asString()
          .contains("retention.keep", "must be off, or a number of days such as 7d");
    }
    String yaml = GOOD.replace("password: pw", "password: pw\n      layout: debezium");
    assertThat(reader.faultsOf(yaml + "    retention: {keep: 7d}\n"))
        .singleElement()
        .asString()
        .contains("retention.keep", "must be off: only table outbox_event", "layout debezium");
  }

  @Test
  void aSlotIsReleasedOnlyWhereTheGapIsHealed() throws Exception {
    String released = GOOD + "    wal: {whenSpent: release}\n";
    assertThat(reader.faultsOf(released))
        .singleElement()
        .asString()
        .contains("wal.whenSpent", "needs source.onGap: reconcile");
    String healed = released.replace("password: pw", "password: pw\n      onGap: reconcile");
    assertThat(readOne(healed).wal().whenSpent()).isEqualTo(WhenSpent.RELEASE);
  }

  @Test
  void refusesTwoPipelinesOverOneStreamOrUnderOneName() throws Exception {
    String twice = GOOD + GOOD.substring(GOOD.indexOf('\n') + 1);
    assertThat(reader.faultsOf(twice))
        .containsExactlyInAnyOrder(
            "pipelines[1].name: is orders; must be unique; pipelines[0] has it too",
            "pipelines[1].source.publication: is missing; must not be read twice; pipelines[0] reads outbox_publication from the same database");
  }

  @Test
  void refusesRoutesThatCanNeverWork() throws Exception {
    assertThat(
            reader.faultsOf(
                GOOD.replace("[order]", "[order]\n      topic: shop.{tenant}\n      key: \"{id\"")))
        .containsExactlyInAnyOrder(
            "pipelines[0].route.topic: is shop.{tenant}; must name columns that are read: 'tenant' is none of aggregate_type, aggregate_id, event_type, id and source.extraColumns []",
            "pipelines[0].route.key: template '{id': '{' at position 1 is never closed; write {aggregate_type}, {aggregate_id}, {event_type}, {id} or a column of source.extraColumns");
    assertThat(reader.faultsOf(GOOD.replace("[order]", "[order]\n      topic: invoices")))
        .singleElement(org.assertj.core.api.InstanceOfAssertFactories.STRING)
        .startsWith("pipelines[0].route.topic: 'invoices' matches none of route.allowedTopics");
  }

  @Test
  void keepsEventsOutOfTheAgentsOwnTopic() throws Exception {
    assertThat(reader.faultsOf(GOOD.replace("[order]", "[order, outbox-agent-positions]")))
        .containsExactly(
            "pipelines[0].route.allowedTopics[1]: is outbox-agent-positions; must not be a topic of the agent itself: a row could forge its position");
  }

  @Test
  void givesServerAndLoggingCalmDefaultsThatSingleKeysChange() throws Exception {
    AgentConfiguration configuration = reader.read(GOOD + "server: {connector: {port: 9090}}\n");
    SimpleServerFactory server = (SimpleServerFactory) configuration.getServerFactory();
    HttpConnectorFactory connector = (HttpConnectorFactory) server.getConnector();
    assertThat(connector.getPort()).isEqualTo(9090);
    assertThat(connector.getBindHost()).isEqualTo("127.0.0.1");
    SimpleServerFactory tls =
        (SimpleServerFactory)
            reader
                .read(
                    GOOD
                        + "server: {connector: {type: https, keyStorePath: a.p12, keyStorePassword: b}}\n")
                .getServerFactory();
    assertThat(((HttpsConnectorFactory) tls.getConnector()).getBindHost()).isEqualTo("127.0.0.1");
    assertThat(reader.faultsOf(GOOD + "server: {type: default}\n"))
        .containsExactly("server.type: is default; must be simple: the agent has one port");
  }

  @Test
  void takesVariablesAsDataWhateverTheyHold() throws Exception {
    ConfigurationReader strange = new ConfigurationReader(Map.of("PW", "a: ${b} #c\n- \"'{"));
    SourceConfiguration source =
        strange
            .read(GOOD.replace("password: pw", "password: ${PW} # ${COMMENT}"))
            .pipelines()
            .get(0)
            .source();
    assertThat(source.resolvePassword()).isEqualTo("a: ${b} #c\n- \"'{");
    assertThat(readOne(GOOD.replace("password: pw", "password: $${PW}")).source().resolvePassword())
        .isEqualTo("${PW}");
  }

  @Test
  void countsAnEmptyVariableAsLeftOut(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("pw"), CANARY + "\n");
    String yaml = GOOD.replace("password: pw", "password: ${NONE:-}\n      passwordFile: " + file);
    assertThat(readOne(yaml).source().resolvePassword()).isEqualTo(CANARY);
    assertThat(
            readOne(GOOD.replace("password: pw", "password: ${file:" + file + "}"))
                .source()
                .resolvePassword())
        .isEqualTo(CANARY);
    assertThat(reader.faultsOf(GOOD.replace("password: pw", "password: ${file:/nowhere}")))
        .contains(
            "pipelines[0].source.password: ${file:/nowhere} cannot be read or is empty; check the path and its permissions");
  }

  @Test
  void saysWhatIsWrongWithAPasswordFile(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("pw");
    SourceConfiguration source =
        readOne(GOOD.replace("password: pw", "passwordFile: " + file)).source();
    assertThatThrownBy(source::resolvePassword).hasMessageContaining(file + " does not exist");
    Files.writeString(file, "\n");
    assertThatThrownBy(source::resolvePassword).hasMessageContaining(file + " is empty");
  }

  @Test
  void neverShowsASecret() throws Exception {
    for (String bad :
        List.of(
            GOOD.replace("password: pw", "password: [" + CANARY + "]"),
            GOOD.replace("password: pw", "password: " + CANARY + "\n      pasword: " + CANARY),
            GOOD.replace("password: pw", "password: " + CANARY + "\n      password: " + CANARY),
            GOOD.replace("password: pw", "password: " + CANARY + "\n     broken: x"),
            GOOD.replace("password: pw", "password: \"" + CANARY),
            GOOD.replace("password: pw", "password: " + CANARY + ": x"),
            GOOD.replace("password: pw", "password: ${PW}\n      port: 0"),
            GOOD + "      properties: {acks: " + CANARY + "}\n",
            GOOD + "      properties: {sasl.jaas.config: [" + CANARY + "]}\n")) {
      assertThat(reader.faultsOf(bad)).isNotEmpty();
      assertThat(reader.faultsOf(bad).toString()).as(bad).doesNotContain(CANARY);
    }
    AgentConfiguration good =
        reader.read(
            GOOD.replace("password: pw", "password: ${PW}")
                + "      properties: {sasl.jaas.config: "
                + CANARY
                + "}\n");
    assertThat(good.toString() + good.pipelines()).doesNotContain(CANARY);
  }

  @Test
  void warnsOfConnectionsInClearText() throws Exception {
    PipelineConfiguration open =
        readOne(GOOD.replace("password: pw", "password: pw\n      sslMode: disable"));
    assertThat(open.cautions())
        .extracting("what")
        .anySatisfy(what -> assertThat((String) what).contains("source.sslMode is disable"))
        .anySatisfy(what -> assertThat((String) what).contains("security.protocol is PLAINTEXT"));
    PipelineConfiguration closed =
        readOne(GOOD + "      properties: {security.protocol: SASL_SSL}\n");
    assertThat(closed.cautions()).isEmpty();
  }
}
