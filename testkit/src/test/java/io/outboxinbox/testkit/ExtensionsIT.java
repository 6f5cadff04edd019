package io.outboxinbox.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The second test looks at what the first left behind, so the order matters here. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ExtensionsIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  static PostgresDatabase databaseOfClass;
  static PostgresDatabase databaseOfFirstTest;

  @BeforeAll
  static void createDatabase() throws SQLException {
    databaseOfClass = postgres.newDatabase();
  }

  @Test
  @Order(1)
  void givesEachTestItsOwnDatabaseAndTopics() throws Exception {
    databaseOfFirstTest = postgres.newDatabase();
    databaseOfFirstTest.execute(
        "CREATE TABLE kept (id int)",
        "SELECT pg_create_logical_replication_slot('left_behind', 'pgoutput')");
    assertThat(postgres.newDatabase().name()).isNotEqualTo(databaseOfFirstTest.name());

    String topic = kafka.newTopic("orders", 3, Map.of("cleanup.policy", "compact"));
    try (Admin admin = kafka.admin()) {
      assertThat(admin.listTopics().names().get()).contains(topic);
    }
    assertThat(kafka.newTopic("orders", 3)).startsWith("orders-").isNotEqualTo(topic);
  }

  @Test
  @Order(2)
  void dropsTheDatabaseOfATestWithItsSlotsAndKeepsTheClass() throws SQLException {
    assertThat(count("pg_replication_slots WHERE slot_name = 'left_behind'")).isZero();
    assertThat(count("pg_database WHERE datname = '" + databaseOfFirstTest.name() + "'")).isZero();
    assertThat(count("pg_database WHERE datname = '" + databaseOfClass.name() + "'")).isOne();
  }

  /** A session that is kept for its next use would not know. */
  @Test
  void whatADatabaseOrARoleSetsIsSeenByTheNextLook() throws SQLException {
    PostgresDatabase database = postgres.newDatabase();
    String look = "SELECT current_setting('search_path')";
    assertThat(database.query(look)).isEqualTo("\"$user\", public");
    database.execute("ALTER DATABASE " + database.name() + " SET search_path = pg_catalog");
    assertThat(database.query(look)).isEqualTo("pg_catalog");
    database.execute(
        "ALTER ROLE postgres IN DATABASE "
            + database.name()
            + " SET search_path = information_schema");
    assertThat(database.query(look)).isEqualTo("information_schema");
    database.execute("SET search_path = public");
    assertThat(database.query(look)).isEqualTo("information_schema");
  }

  private static int count(String from) throws SQLException {
    try (Connection connection = databaseOfClass.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT count(*) FROM " + from)) {
      assertThat(rows.next()).isTrue();
      return rows.getInt(1);
    }
  }
}
