package io.outboxinbox.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PostgresServerIT {

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void startsAsDurableAsProductionAndReadyForLogicalReplication(PostgresVersion version)
      throws SQLException {
    try (PostgresServer server = PostgresServer.start(version)) {
      String database = server.createDatabase("probe");

      assertThat(show(server, database, "server_version_num")).startsWith(version.major() + "");
      assertThat(show(server, database, "wal_level")).isEqualTo("logical");
      assertThat(show(server, database, "fsync")).isEqualTo("on");
      assertThat(show(server, database, "synchronous_commit")).isEqualTo("on");
      assertThat(Integer.parseInt(show(server, database, "max_wal_senders")))
          .isGreaterThanOrEqualTo(20);
      assertThat(Integer.parseInt(show(server, database, "max_replication_slots")))
          .isGreaterThanOrEqualTo(20);
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void keepsCommittedRowsThroughKillAndLosesOpenTransactions(PostgresVersion version)
      throws SQLException {
    try (PostgresServer server = PostgresServer.start(version)) {
      String database = server.createDatabase("probe");
      Sql.execute(server, database, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (1)");
      long firstPid = server.postmasterPid();
      try (Connection open = server.connect(database)) {
        open.setAutoCommit(false);
        try (Statement statement = open.createStatement()) {
          statement.execute("INSERT INTO kept VALUES (2)");
        }
        server.killPostmaster();
      } catch (SQLException closingABrokenConnection) {
        assertThat(closingABrokenConnection.getSQLState()).startsWith("08");
      }

      server.startAgain();

      assertThat(server.postmasterPid()).isNotEqualTo(firstPid);
      assertThat(Sql.query(server, database, "SELECT string_agg(id::text, ',') FROM kept"))
          .isEqualTo("1");
    }
  }

  @Test
  void survivesManyKillsInARow() throws SQLException {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17)) {
      String database = server.createDatabase("probe");
      Sql.execute(server, database, "CREATE TABLE kept (id int)");
      for (int i = 0; i < 5; i++) {
        Sql.execute(server, database, "INSERT INTO kept VALUES (" + i + ")");
        server.killPostmaster();
        server.startAgain();
      }
      assertThat(Sql.query(server, database, "SELECT count(*) FROM kept")).isEqualTo("5");
    }
  }

  @Test
  void stopsAndStartsOnTheSamePort() throws SQLException {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17)) {
      int port = server.port();
      server.stop();
      assertThatThrownBy(() -> server.connect("postgres")).isInstanceOf(SQLException.class);
      server.startAgain();
      assertThat(server.port()).isEqualTo(port);
      assertThat(Sql.query(server, "postgres", "SELECT 1")).isEqualTo("1");
    }
  }

  @Test
  void keepsAGivenDataDirectoryAndAppliesExtraSettings(@TempDir Path directory)
      throws SQLException {
    PostgresServer.Options options =
        PostgresServer.Options.of(PostgresVersion.V17)
            .withDataDirectory(directory.resolve("data"))
            .withSetting("max_slot_wal_keep_size", "64MB")
            .withSetting("application_name", "it's quoted");
    try (PostgresServer first = PostgresServer.start(options)) {
      Sql.execute(first, "postgres", "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)");
    }
    try (PostgresServer second = PostgresServer.start(options)) {
      assertThat(Sql.query(second, "postgres", "SELECT id FROM kept")).isEqualTo("7");
      assertThat(show(second, "postgres", "max_slot_wal_keep_size")).isEqualTo("64MB");
    }
  }

  /** Sources, and so positions, are known by it. */
  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void hasASystemIdentifierOfItsOwn(PostgresVersion version) throws SQLException {
    String ask = "SELECT system_identifier FROM pg_control_system()";
    try (PostgresServer one = PostgresServer.start(version);
        PostgresServer other = PostgresServer.start(version)) {
      String identifier = Sql.query(one, "postgres", ask);
      assertThat(identifier).isNotEqualTo(Sql.query(other, "postgres", ask)).doesNotContain("-");
      one.killPostmaster();
      one.startAgain();
      assertThat(Sql.query(one, "postgres", ask)).as("recovered").isEqualTo(identifier);
    }
  }

  @Test
  void leavesADirectoryOfOthersAlone(@TempDir Path directory) throws Exception {
    Path file = Files.writeString(directory.resolve("letter"), "dear");
    PostgresServer.Options options =
        PostgresServer.Options.of(PostgresVersion.V17).withDataDirectory(directory);
    assertThatThrownBy(() -> PostgresServer.start(options))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining(directory + " is neither empty nor a cluster");
    assertThat(directory).isDirectoryContaining(file::equals);
  }

  @Test
  void deletesTemporaryDataAndRefusesToStartOnceClosed() {
    PostgresServer server = PostgresServer.start(PostgresVersion.V17);
    server.close();
    server.close();
    assertThat(server.dataDirectory()).doesNotExist();
    assertThatThrownBy(server::startAgain)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("must be STOPPED")
        .hasMessageContaining("CLOSED");
  }

  @Test
  void saysWhatTheServerLoggedWhenItCannotStart(@TempDir Path directory) {
    PostgresServer.Options broken =
        PostgresServer.Options.of(PostgresVersion.V17)
            .withDataDirectory(directory.resolve("data"))
            .withSetting("wal_level", "nonsense");
    assertThatThrownBy(() -> PostgresServer.start(broken))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("invalid value for parameter \"wal_level\"");
  }

  @Test
  void asksForThePassword() {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17)) {
      assertThatThrownBy(
              () ->
                  DriverManager.getConnection(
                      server.jdbcUrl("postgres"), server.superuser(), "wrong"))
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("password authentication failed");
    }
  }

  // Docker's default profile forbids user namespaces, so as root in a container only this way
  // works.
  @Test
  void runsUnderAnotherUserWhereUserNamespacesAreForbidden() throws SQLException {
    assumeTrue(
        Files.exists(Path.of("/proc/self")) && RunAs.isRoot() && RunAs.NOBODY_BY_SETPRIV.works());
    PostgresServer.Options options = PostgresServer.Options.of(PostgresVersion.V17);
    try (PostgresServer server = PostgresServer.start(options, RunAs.NOBODY_BY_SETPRIV)) {
      server.killPostmaster();
      server.startAgain();
      assertThat(Sql.query(server, "postgres", "SELECT 1")).isEqualTo("1");
    }
  }

  private static String show(PostgresServer server, String database, String setting)
      throws SQLException {
    return Sql.query(server, database, "SHOW " + setting);
  }
}
