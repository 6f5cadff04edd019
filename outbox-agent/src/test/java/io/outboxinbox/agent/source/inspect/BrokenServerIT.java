package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.SslMode;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.testkit.FreePorts;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Servers whose settings are wrong, that let nobody in, or whose log is gone. */
class BrokenServerIT {

  private static PreflightSource sourceOn(PostgresServer server) throws SQLException {
    PreflightSource source =
        PreflightSource.of(
            server.host(),
            server.port(),
            server.createDatabase("broken"),
            server.superuser(),
            server.superuserPassword());
    for (String file : List.of("01_outbox", "02_partitions", "03_publication", "04_agent")) {
      server.database(source.config().database()).runScript("schema/postgresql/" + file + ".sql");
    }
    source.grant();
    return source;
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void namesSettingsThatLeaveNoLogicalDecoding(PostgresVersion version) throws SQLException {
    PostgresServer.Options options =
        PostgresServer.Options.of(version)
            .withSetting("wal_level", "replica")
            .withSetting("max_replication_slots", "1")
            .withSetting("max_wal_senders", "0");
    try (PostgresServer server = PostgresServer.start(options)) {
      PreflightSource source = sourceOn(server);
      source.execute("SELECT pg_create_physical_replication_slot('other')");

      List<Finding> problems = source.problems();
      assertThat(problems)
          .extracting(Finding::what)
          .containsExactly(
              "wal_level=replica, needed is logical",
              "no room for slot preflight_slot: 1 of 1 replication slots taken (max_replication_slots)",
              "no walsender left for slot preflight_slot: 0 of 0 taken (max_wal_senders)");
      for (Finding problem : problems) {
        source.applyFix(problem);
      }
      server.stop();
      server.startAgain();
      assertThat(source.problems()).isEmpty();
    }
  }

  @Test
  void warnsOfAServerThatKeepsLogUntilItsDiskIsFull() throws SQLException {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17)) {
      PreflightSource source = sourceOn(server);
      Finding warning = keepSize(source);
      assertThat(warning.severity()).isEqualTo(Severity.WARNING);
      source.applyFix(warning);
      assertThat(keepSize(source).severity()).isEqualTo(Severity.OK);
    }
  }

  private static Finding keepSize(PreflightSource source) {
    return SourcePreflight.check(source.config(), false).stream()
        .filter(finding -> finding.what().startsWith("max_slot_wal_keep_size="))
        .findFirst()
        .orElseThrow();
  }

  /** A host that is reached by another name than its certificate has. */
  @Test
  void listsTheNamesOfACertificateThatDoesNotFit(@TempDir Path folder) throws Exception {
    TestCertificate certificate = TestCertificate.of(folder, "db.shop.internal", "10.1.2.3");
    Path authority = Files.writeString(folder.resolve("ca.crt"), certificate.certificate());
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17)) {
      PreflightSource source = sourceOn(server);
      certificate.installOn(source);
      SourceConfiguration plain = source.config();
      List<Finding> findings =
          SourcePreflight.check(Sources.withSsl(plain, SslMode.VERIFY_FULL, authority), false);
      assertThat(findings)
          .singleElement()
          .satisfies(
              finding ->
                  assertThat(finding.what())
                      .contains("is not for " + server.host())
                      .endsWith("but for db.shop.internal, 10.1.2.3"));
      assertThat(SourcePreflight.check(Sources.withSsl(plain, SslMode.VERIFY_CA, authority), false))
          .noneMatch(finding -> finding.severity() == Severity.MISCONFIGURED);
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void recognisesStandbyAndItsPromotion(PostgresVersion version) throws SQLException, IOException {
    try (PostgresServer server = PostgresServer.start(version)) {
      PreflightSource source = sourceOn(server);
      server.stop();
      Files.createFile(server.dataDirectory().resolve("standby.signal"));
      server.startAgain();

      assertThat(source.onlyProblem().what()).contains("is in recovery (a standby)");
      try (Connection connection = source.agent()) {
        ServerState standby = ServerState.of(connection);
        assertThat(standby.inRecovery()).isTrue();
        assertThat(standby.timeline()).isEqualTo(1);

        source.execute("SELECT pg_promote()");
        ServerState promoted = ServerState.of(connection);
        assertThat(promoted.inRecovery()).isFalse();
        assertThat(promoted.timeline()).isEqualTo(2);
        assertThat(promoted.systemId()).isEqualTo(standby.systemId());
      }
      assertThat(source.problems()).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void seesThatTheSlotsLogIsGone(PostgresVersion version) throws SQLException {
    PostgresServer.Options options =
        PostgresServer.Options.of(version)
            .withSetting("max_slot_wal_keep_size", "1MB")
            .withSetting("min_wal_size", "32MB");
    try (PostgresServer server = PostgresServer.start(options)) {
      PreflightSource source = sourceOn(server);
      source.execute("SELECT pg_create_logical_replication_slot('preflight_slot', 'pgoutput')");
      for (int segment = 0; segment < 6; segment++) {
        source.execute(
            "SELECT pg_logical_emit_message(false, 'fill', 'x')", "SELECT pg_switch_wal()");
      }
      source.execute("CHECKPOINT");

      try (Connection connection = source.agent()) {
        List<Finding> findings =
            SourcePreflight.checkSlot(
                connection, new SourceConnections(source.config()), source.config(), null);
        assertThat(findings).extracting(Finding::severity).containsExactly(Severity.GAP);
        assertThat(findings.get(0).what())
            .startsWith(
                "slot preflight_slot is lost (wal_status=lost, invalidation_reason=%s)"
                    .formatted(
                        version.major() < 17 ? "unknown before PostgreSQL 17" : "wal_removed"));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void explainsWhyThereIsNoConnection(PostgresVersion version) throws SQLException, IOException {
    try (PostgresServer server = PostgresServer.start(version)) {
      PreflightSource source = sourceOn(server);
      String host = server.host();
      int port = server.port();
      String database = source.config().database();
      String at = host + ":" + port;

      assertThat(source.withPassword("wrong").onlyProblem().what())
          .isEqualTo(at + " refused the password of role preflight_agent, or has no such role");
      assertThat(source.withPassword("").onlyProblem().what())
          .isEqualTo(at + " asks for a password and source has an empty one");
      assertThat(source.withServer(host, port, database, SslMode.REQUIRE).onlyProblem().what())
          .isEqualTo(at + " does not offer SSL, source.sslMode=REQUIRE needs it");
      assertThat(
              source.withServer("db.invalid", port, database, SslMode.DISABLE).onlyProblem().what())
          .isEqualTo("host db.invalid has no address");
      assertThat(
              source
                  .withServer(host, FreePorts.pick(), database, SslMode.DISABLE)
                  .onlyProblem()
                  .what())
          .startsWith("nothing listens on " + host);

      PreflightSource absent = source.withServer(host, port, "absent", SslMode.DISABLE);
      assertThat(absent.onlyProblem().what()).isEqualTo("database absent does not exist on " + at);
      source.applyFix(absent.onlyProblem());
      assertThat(absent.problems()).isNotEmpty().noneMatch(f -> f.what().contains("absent does"));

      source.execute("REVOKE CONNECT ON DATABASE " + database + " FROM PUBLIC");
      source.expectProblemThatItsFixMends(
          Severity.MISCONFIGURED, "role preflight_agent may not connect to database " + database);

      onlySuperuserMayEnter(server);
      assertThat(source.onlyProblem().what())
          .startsWith(
              at + " does not let role preflight_agent in to database " + database + " from here: ")
          .contains("pg_hba.conf");
    }
  }

  private static void onlySuperuserMayEnter(PostgresServer server)
      throws IOException, SQLException {
    Path rules = server.dataDirectory().resolve("pg_hba.conf");
    Files.writeString(rules, "host all postgres 127.0.0.1/32 scram-sha-256\n");
    try (Connection connection = server.connect("postgres")) {
      // A new rule counts once the postmaster has read it; it reads before it starts a backend.
      connection.createStatement().execute("SELECT pg_reload_conf()");
    }
  }
}
