package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.lead.Leadership;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Several outboxes on one server and one broker, all with the default names: none takes another's
 * for its own. And what an installation had under the names of the version before goes on.
 */
class SideBySideIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final Duration DEADLINE = Duration.ofSeconds(60);
  private static final String BEFORE = "slot: outbox_agent";

  private static final String READING =
      "SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'outbox_agent'";

  private final List<PipelineRig> rigs = new ArrayList<>();
  private PipelineRig rig;

  @BeforeEach
  void prepare() throws Exception {
    rig = rig();
  }

  @AfterEach
  void close() {
    rigs.forEach(PipelineRig::close);
  }

  private PipelineRig rig() throws Exception {
    PipelineRig made = new PipelineRig(postgres, kafka);
    made.names = "";
    rigs.add(made);
    return made;
  }

  @Test
  void twoDatabasesOfOneServerPublishBesideEachOtherWithAllDefaults() throws Exception {
    PipelineRig other = rig();
    Pipeline first = rig.start("");
    rig.awaitLeading(first);
    Pipeline second = other.start("");
    other.awaitLeading(second);
    rig.insert(0, 20);
    other.insert(0, 30);
    rig.awaitEvents(20);
    other.awaitEvents(30);
    rig.assertThatEventsAreExactly(20);
    other.assertThatEventsAreExactly(30);
    assertThat(List.of(first.status().restarts(), second.status().restarts())).containsOnly(0L);
    assertThat(slots(rig.database)).hasSize(1).doesNotContainAnyElementsOf(slots(other.database));
    assertThat(rig.checkpoint().source()).isNotEqualTo(other.checkpoint().source());
  }

  /** Whatever the order of the list: the names of the two are those that outbox_event has alone. */
  @Test
  void aPipelineOfTwoTablesIsBesideOneOfAThirdAndKeepsItsNamesWhenTheListIsReordered()
      throws Exception {
    rig.execute(
        "CREATE TABLE event (LIKE outbox_event INCLUDING ALL)",
        "CREATE TABLE third (LIKE outbox_event INCLUDING ALL)",
        "GRANT SELECT ON event, third TO outbox_agent",
        "ALTER PUBLICATION outbox_publication ADD TABLE event",
        "CREATE PUBLICATION outbox_publication_third FOR TABLE third WITH (publish = 'insert')");
    String ofTwo = rig.topic;
    Pipeline two = rig.start("tables: [{table: outbox_event}, {table: event}]");
    rig.awaitLeading(two);
    List<String> slot = slots(rig.database);
    rig.topic = kafka.newTopic("third", 1);
    rig.awaitLeading(rig.start("table: third"));
    String insert =
        "INSERT INTO %s (aggregate_type, aggregate_id, event_type, payload) VALUES ('order', 'k', 'placed', '{\"n\": %d}')";
    rig.execute(
        insert.formatted("outbox_event", 0),
        insert.formatted("third", 0),
        insert.formatted("event", 1));
    rig.await(() -> rig.consume(ofTwo).size() == 2);
    rig.await(() -> rig.consume(rig.topic).size() == 1);
    assertThat(slots(rig.database)).hasSize(2);
    assertThat(two.stop(DEADLINE)).isTrue();
    rig.topic = ofTwo;
    Pipeline turned = rig.start("tables: [{table: event}, {table: outbox_event}]");
    rig.awaitLeading(turned);
    rig.execute(insert.formatted("event", 2));
    rig.await(() -> rig.consume(ofTwo).size() == 3);
    assertThat(rig.numbersOf(rig.consume(ofTwo))).containsExactly(0, 1, 2);
    assertThat(slots(rig.database)).hasSize(2).containsAll(slot);
    assertThat(sources()).hasSize(2);
  }

  @Test
  void twoSchemasOfOneDatabasePublishBesideEachOtherWithAllDefaults() throws Exception {
    install("orders");
    install("billing");
    String ordersTopic = rig.topic;
    Pipeline orders = rig.start("schema: orders");
    rig.awaitLeading(orders);
    rig.topic = kafka.newTopic("billing", 3);
    Pipeline billing = rig.start("schema: billing");
    rig.awaitLeading(billing);
    insert("orders", 0, 20);
    insert("billing", 0, 30);
    rig.await(() -> rig.consume(ordersTopic).size() == 20);
    rig.await(() -> rig.consume(rig.topic).size() == 30);
    assertThat(List.of(orders.status().restarts(), billing.status().restarts())).containsOnly(0L);
    assertThat(slots(rig.database)).hasSize(2);
    assertThat(sources()).hasSize(2);
    assertThat(
            rig.database.list(
                "SELECT DISTINCT classid || ' ' || objid FROM pg_locks WHERE locktype = 'advisory'"
                    + " AND classid = 45253 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
        .as("locks of leaders")
        .hasSize(2);
  }

  @Test
  void twoTablesOfOneSchemaPublishBesideEachOther() throws Exception {
    rig.execute(
        "CREATE TABLE second (LIKE outbox_event INCLUDING ALL)",
        "GRANT SELECT ON second TO outbox_agent");
    String firstTopic = rig.topic;
    Pipeline first = rig.start("");
    rig.awaitLeading(first);
    rig.topic = kafka.newTopic("second", 3);
    Pipeline second = rig.start("table: second");
    rig.awaitState(second, State.MISCONFIGURED);
    assertThat(second.status().reason())
        .contains("CREATE PUBLICATION outbox_publication_second FOR TABLE public.second");
    rig.execute(
        "CREATE PUBLICATION outbox_publication_second FOR TABLE public.second WITH (publish = 'insert')");
    rig.awaitLeading(second);
    rig.insert(0, 10);
    rig.execute(
        "INSERT INTO second (aggregate_type, aggregate_id, event_type, payload) SELECT 'a', 'k', 'b', '{}'"
            + " FROM generate_series(1, 20)");
    rig.await(() -> rig.consume(firstTopic).size() == 10 && rig.consume().size() == 20);
    assertThat(first.status().restarts()).isZero();
    assertThat(sources()).hasSize(2);
  }

  @Test
  void goesOnWithTheSlotOfTheVersionBefore() throws Exception {
    rig.names = BEFORE;
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 20);
    rig.awaitEvents(20);
    assertThat(before.stop(DEADLINE)).isTrue();
    rig.insert(20, 40);
    rig.execute(
        // That version noted none; and another pipeline has the name that would be this one's now.
        "UPDATE outbox_agent_source SET slot = NULL",
        "SELECT pg_create_logical_replication_slot('outbox_agent_' || current_database(), 'pgoutput')");
    rig.names = "";
    Pipeline after = rig.start("");
    rig.awaitLeading(after);
    rig.insert(40, 50);
    rig.awaitEvents(50);
    rig.assertThatEventsAreExactly(50);
    assertThat(rig.query(READING)).isNotNull();
    assertThat(slots(rig.database)).hasSize(2);
  }

  /** Whoever is cut short goes on where that slot stands, not beside it. */
  @Test
  void takesOverTheSlotOfTheVersionBeforeThoughTheFirstTryFails() throws Exception {
    rig.execute("SELECT pg_create_logical_replication_slot('outbox_agent', 'pgoutput')");
    rig.insert(0, 10);
    try (Connection holder = rig.database.connect();
        Statement lock = holder.createStatement()) {
      holder.setAutoCommit(false);
      lock.execute("LOCK TABLE outbox_parked");
      Pipeline pipeline = rig.start("existingRows: skip");
      rig.await(
          () ->
              rig.query("SELECT coalesce(max(epoch), 0) > 0 FROM outbox_agent_source").equals("t")
                  && pipeline.status().restarts() > 0);
      holder.rollback();
      rig.awaitLeading(pipeline);
    }
    rig.awaitEvents(10);
    rig.assertThatEventsAreExactly(10);
    assertThat(slots(rig.database)).containsExactly("outbox_agent");
  }

  @Test
  void goesOnWithThePublicationOfTheVersionBeforeAlsoInASchemaOfItsOwn() throws Exception {
    rig.execute("DROP PUBLICATION outbox_publication");
    install("orders", "01_outbox", "02_partitions");
    in("orders", resource("schema-0.1/03_publication.sql"));
    install("orders", "04_agent", "05_roles");
    rig.names = BEFORE;
    Pipeline before = rig.start("schema: orders\n      publication: outbox_publication");
    rig.awaitLeading(before);
    insert("orders", 0, 20);
    rig.awaitEvents(20);
    assertThat(before.stop(DEADLINE)).isTrue();
    insert("orders", 20, 40);

    // The upgrade: the files run again, then the new agent. A second schema joins.
    install("orders");
    install("billing");
    rig.names = "";
    Pipeline after = rig.start("schema: orders");
    rig.awaitLeading(after);
    insert("orders", 40, 50);
    rig.awaitEvents(50);
    rig.assertThatEventsAreExactly(50);
    assertThat(slots(rig.database)).containsExactly("outbox_agent");
    assertThat(rig.database.list("SELECT pubname FROM pg_publication ORDER BY 1"))
        .containsExactly("outbox_publication", "outbox_publication_billing");
    rig.topic = kafka.newTopic("billing", 3);
    Pipeline billing = rig.start("schema: billing");
    rig.awaitLeading(billing);
    insert("billing", 0, 10);
    rig.await(() -> rig.consume().size() == 10);
    // It has a slot of its own, and does not take the other for it.
    assertThat(billing.stop(DEADLINE)).isTrue();
    insert("billing", 10, 15);
    billing = rig.start("schema: billing");
    rig.awaitLeading(billing);
    rig.await(() -> rig.consume().size() == 15);
    assertThat(billing.stop(DEADLINE)).isTrue();
    rig.dropSlots("slot_name <> 'outbox_agent'");
    billing = rig.start("schema: billing");
    rig.awaitState(billing, State.STOPPED);
    assertThat(billing.status().reason()).contains("does not exist");
    assertThat(after.status().restarts()).isZero();
    assertThat(after.status().state()).isEqualTo(State.LEADING);
    assertThat(sources()).hasSize(2);
  }

  @Test
  void refusesTheSlotOfAnotherDatabaseAndLeavesItAlone() throws Exception {
    PipelineRig other = rig();
    Pipeline first = rig.start(BEFORE);
    rig.awaitLeading(first);
    rig.await(() -> rig.database.list(READING).get(0) != null);
    List<String> reader = rig.database.list(READING);
    Pipeline second = other.start(BEFORE);
    other.awaitState(second, State.MISCONFIGURED);
    assertThat(second.status().reason())
        .contains("slot outbox_agent belongs to database " + rig.database.name())
        .contains("set source.slot to a name that no other slot of the server has")
        .doesNotContain("drop");
    other.await(() -> second.status().restarts() > 3);
    assertThat(rig.database.list(READING)).isEqualTo(reader);
    rig.insert(0, 10);
    rig.awaitEvents(10);
    assertThat(first.status().restarts()).isZero();
  }

  @Test
  void refusesASlotThatSomebodyElseReadsAndDoesNotEndTheirSession() throws Exception {
    install("billing");
    Pipeline first = rig.start(BEFORE);
    rig.awaitLeading(first);
    rig.await(() -> rig.database.list(READING).get(0) != null);
    List<String> reader = rig.database.list(READING);
    Pipeline second = rig.start("schema: billing\n      " + BEFORE);
    rig.awaitState(second, State.MISCONFIGURED);
    assertThat(second.status().reason())
        .contains("slot outbox_agent is being read by process " + reader.get(0));
    rig.await(() -> second.status().restarts() > 3);
    assertThat(rig.database.list(READING)).isEqualTo(reader);
    assertThat(first.status().restarts()).isZero();
  }

  /** It may wait for days, while the leader begins anew under other names. */
  @Test
  void aStandbyDoesNotLeadUnderTheNamesOfBefore() throws Exception {
    try (Leadership standby = Leadership.connect(rig.configuration(""), "standby")) {
      rig.execute(
          "INSERT INTO outbox_agent_source (source, slot) VALUES ('%s', 'another')"
              .formatted(standby.source().id()));
      assertThatThrownBy(standby::tryAcquire)
          .isInstanceOf(AgentException.Retryable.class)
          .hasMessageContaining("another and outbox_publication now");
    }
  }

  private List<String> sources() throws Exception {
    try (Connection session = rig.database.connect();
        Publisher publisher = rig.newPublisher(session)) {
      return publisher.allCheckpoints().stream()
          .filter(checkpoint -> checkpoint.source().database().equals(rig.database.name()))
          .map(checkpoint -> checkpoint.source().id() + " " + checkpoint.slot())
          .distinct()
          .toList();
    }
  }

  private static List<String> slots(PostgresDatabase database) throws SQLException {
    return database.list(
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()");
  }

  private void install(String schema, String... files) throws Exception {
    for (String file :
        files.length > 0
            ? files
            : new String[] {
              "01_outbox", "02_partitions", "03_publication", "04_agent", "05_roles"
            }) {
      in(schema, resource("schema/postgresql/" + file + ".sql"));
    }
  }

  private void in(String schema, String sql) throws SQLException {
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE SCHEMA IF NOT EXISTS " + schema);
      statement.execute("SET search_path = " + schema);
      statement.execute(sql);
    }
  }

  /** Events with the numbers {@code from} to {@code to}, exclusive. */
  private void insert(String schema, int from, int to) throws SQLException {
    in(
        schema,
        String.join(
            ";",
            IntStream.range(from, to)
                .mapToObj(
                    n -> "SELECT outbox_publish('order', 'key', 'placed', '{\"n\":" + n + "}')")
                .toList()));
  }

  private static String resource(String name) throws Exception {
    try (InputStream in = SideBySideIT.class.getClassLoader().getResourceAsStream(name)) {
      return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
