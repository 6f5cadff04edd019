package io.outboxinbox.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PostgresStandbyIT {

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void followsItsPrimaryAndTakesOverWhenPromoted(PostgresVersion version) throws SQLException {
    try (PostgresServer primary = PostgresServer.start(version)) {
      String database = primary.createDatabase("probe");
      Sql.execute(primary, database, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (1)");
      try (PostgresStandby standby = standby(primary)) {
        Sql.execute(primary, database, "INSERT INTO kept VALUES (2)");
        standby.awaitReplayed();
        assertThat(rows(standby.server(), database)).isEqualTo("1,2");
        assertThatThrownBy(
                () -> Sql.execute(standby.server(), database, "INSERT INTO kept VALUES (3)"))
            .isInstanceOf(SQLException.class)
            .hasMessageContaining("read-only");

        primary.killPostmaster();
        standby.promote();

        Sql.execute(standby.server(), database, "INSERT INTO kept VALUES (3)");
        assertThat(rows(standby.server(), database)).isEqualTo("1,2,3");
        assertThat(timeline(standby.server())).isEqualTo("2");
      }
    }
  }

  @Test
  void losesWhatWasCommittedAfterItWasCutOff() throws SQLException {
    try (PostgresServer primary = PostgresServer.start(PostgresVersion.V17)) {
      String database = primary.createDatabase("probe");
      Sql.execute(primary, database, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (1)");
      try (PostgresStandby standby = standby(primary)) {
        standby.awaitReplayed();
        standby.disconnect();
        Sql.execute(primary, database, "INSERT INTO kept VALUES (2)");
        standby.promote();
        assertThat(rows(standby.server(), database)).isEqualTo("1");
        assertThat(rows(primary, database)).isEqualTo("1,2");
      }
    }
  }

  @Test
  void catchesUpWhenItIsConnectedOrStartedAgain() throws SQLException {
    try (PostgresServer primary = PostgresServer.start(PostgresVersion.V17)) {
      String database = primary.createDatabase("probe");
      Sql.execute(primary, database, "CREATE TABLE kept (id int)");
      try (PostgresStandby standby = standby(primary)) {
        standby.disconnect();
        Sql.execute(primary, database, "INSERT INTO kept VALUES (1)");
        standby.reconnect();
        standby.awaitReplayed();
        assertThat(rows(standby.server(), database)).isEqualTo("1");

        standby.kill();
        Sql.execute(primary, database, "INSERT INTO kept VALUES (2)");
        standby.server().startAgain();
        standby.awaitReplayed();
        assertThat(rows(standby.server(), database)).isEqualTo("1,2");
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"V17", "V18"})
  void keepsFailoverSlotsInStepAndNoOthers(PostgresVersion version) throws SQLException {
    PostgresServer.Options waiting =
        PostgresServer.Options.of(version).withSetting("synchronized_standby_slots", "second");
    try (PostgresServer primary = PostgresServer.start(waiting)) {
      String database = primary.createDatabase("probe");
      Sql.execute(
          primary,
          database,
          "CREATE TABLE kept (id int)",
          "SELECT pg_create_logical_replication_slot('kept', 'pgoutput', false, false, true)",
          "SELECT pg_create_logical_replication_slot('left', 'pgoutput')");
      try (PostgresStandby standby =
          PostgresStandby.of(primary, PostgresStandby.Options.named("second").withSyncedSlots())) {
        for (int i = 0; i < 3; i++) {
          consume(primary, database);
        }
        standby.awaitSlot("kept");
        primary.killPostmaster();
        standby.promote();
        assertThat(
                Sql.query(
                    standby.server(),
                    "postgres",
                    "SELECT string_agg(slot_name, ',') FROM pg_replication_slots"))
            .isEqualTo("kept");
        Sql.execute(
            standby.server(),
            database,
            "INSERT INTO kept VALUES (2)",
            "SELECT pg_replication_slot_advance('kept', pg_current_wal_flush_lsn())");
      }
    }
  }

  @Test
  void refusesToKeepSlotsInStepBeforePostgres17() {
    try (PostgresServer primary = PostgresServer.start(PostgresVersion.V15)) {
      assertThatThrownBy(
              () ->
                  PostgresStandby.of(
                      primary, PostgresStandby.Options.named("second").withSyncedSlots()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("needs PostgreSQL 17");
    }
  }

  @Test
  void takesADelayedReplay() throws SQLException {
    try (PostgresServer primary = PostgresServer.start(PostgresVersion.V17)) {
      String database = primary.createDatabase("probe");
      Sql.execute(primary, database, "CREATE TABLE kept (id int)");
      try (PostgresStandby standby =
          PostgresStandby.of(
              primary,
              PostgresStandby.Options.named("late")
                  .withSetting("recovery_min_apply_delay", "1h"))) {
        Sql.execute(primary, database, "INSERT INTO kept VALUES (1)");
        assertThat(rows(standby.server(), database)).isNull();
        // What was received is replayed by a promotion, whatever the delay.
        primary.stop();
        standby.promote();
        assertThat(rows(standby.server(), database)).isEqualTo("1");
      }
    }
  }

  /** Moves the slot past the base backup: before that the standby lacks the log it needs. */
  private static void consume(PostgresServer primary, String database) throws SQLException {
    Sql.execute(
        primary,
        database,
        "INSERT INTO kept VALUES (1)",
        "SELECT pg_log_standby_snapshot()",
        "SELECT pg_replication_slot_advance('kept', pg_current_wal_flush_lsn())");
  }

  private static PostgresStandby standby(PostgresServer primary) throws SQLException {
    return PostgresStandby.of(primary, PostgresStandby.Options.named("second"));
  }

  private static String rows(PostgresServer server, String database) throws SQLException {
    return Sql.query(server, database, "SELECT string_agg(id::text, ',' ORDER BY id) FROM kept");
  }

  private static String timeline(PostgresServer server) throws SQLException {
    // The control file learns of the new timeline at the next checkpoint.
    Sql.execute(server, "postgres", "CHECKPOINT");
    return Sql.query(server, "postgres", "SELECT timeline_id FROM pg_control_checkpoint()");
  }
}
