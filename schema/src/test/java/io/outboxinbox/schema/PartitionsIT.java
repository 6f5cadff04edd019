package io.outboxinbox.schema;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PartitionsIT extends SchemaOnEachVersion {
  private static final String ROW = "'order', '1', 'OrderPlaced', '{}')";
  private static final String INSERT =
      "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload) VALUES (";
  private static final String DAY = "to_char((now() AT TIME ZONE 'UTC')::date + ";

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void putsEachIdIntoTheDayItWasMade(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      String today = query(connection, "SELECT 'outbox_event_p' || " + DAY + "0, 'YYYYMMDD')");
      String inThreeDays =
          query(connection, "SELECT 'outbox_event_p' || " + DAY + "3, 'YYYYMMDD')");
      assertThat(partitionOf(connection, "outbox_uuid7()")).isEqualTo(today);
      assertThat(partitionOf(connection, "outbox_uuid7_floor(now() + interval '3 days')"))
          .isEqualTo(inThreeDays);
      assertThat(partitionOf(connection, "outbox_uuid7_floor(now() + interval '30 days')"))
          .isEqualTo("outbox_event_default");
      assertThat(partitionOf(connection, "outbox_uuid7_floor(now() - interval '3 days')"))
          .isEqualTo("outbox_event_default");
      assertThat(partitionOf(connection, "'f47ac10b-58cc-4372-a567-0e02b2c3d479'"))
          .isEqualTo("outbox_event_default");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void makesDaysOfUtcWhateverTheSessionsTimeZone(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      for (String zone : new String[] {"Pacific/Kiritimati", "Pacific/Midway", "Europe/Berlin"}) {
        execute(connection, "SET TIME ZONE '" + zone + "'");
        assertThat(query(connection, "SELECT outbox_partitions_create()")).isEqualTo("0");
        assertThat(
                query(
                    connection,
                    "SELECT string_agg(DISTINCT to_char(from_time AT TIME ZONE 'UTC', 'HH24:MI:SS.US'), ',') FROM outbox_partitions()"))
            .isEqualTo("00:00:00.000000");
        assertThat(
                query(
                    connection,
                    "SELECT count(*) FROM outbox_partitions() WHERE name = 'outbox_event_p' || to_char(from_time AT TIME ZONE 'UTC', 'YYYYMMDD') AND until_time = from_time + interval '24 hours'"))
            .isEqualTo("8");
      }
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void leavesOutDaysThatHaveRowsInTheDefaultPartition(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      execute(connection, INSERT + "outbox_uuid7_floor(now() + interval '10 days'), " + ROW);
      assertThat(query(connection, "SELECT outbox_partitions_create(12)")).isEqualTo("4");
      assertThat(query(connection, "SELECT outbox_partitions_create(12)")).isEqualTo("0");
      String skipped = query(connection, "SELECT 'outbox_event_p' || " + DAY + "10, 'YYYYMMDD')");
      assertThat(
              query(
                  connection,
                  "SELECT count(*) FROM outbox_partitions() WHERE name = '" + skipped + "'"))
          .isEqualTo("0");
      assertThat(
              partitionOf(
                  connection,
                  "outbox_uuid7_floor(now() + interval '10 days' + interval '1 millisecond')"))
          .isEqualTo("outbox_event_default");
    }
  }

  /** Attaching reads all of it while nobody can write. */
  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void makesNoWriterWaitForALargeDefaultPartition(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      execute(connection, INSERT + "gen_random_uuid(), " + ROW);
      execute(connection, "SET outbox.default_partition_max = '4kB'");
      try (Statement create = connection.createStatement();
          ResultSet made = create.executeQuery("SELECT outbox_partitions_create(9)")) {
        assertThat(made.next()).isTrue();
        assertThat(made.getInt(1)).isZero();
        assertThat((Throwable) create.getWarnings())
            .hasMessageContaining("the default partition has 8192 bytes")
            .hasMessageContaining("the limit is 4kB");
      }
      execute(connection, "SET outbox.default_partition_max = '0'");
      try (Statement create = connection.createStatement();
          ResultSet made = create.executeQuery("SELECT outbox_partitions_create(9)")) {
        assertThat(made.next()).isTrue();
        assertThat(made.getInt(1)).isZero();
        assertThat((Throwable) create.getWarnings()).isNull();
      }
      execute(connection, "RESET outbox.default_partition_max");
      assertThat(query(connection, "SELECT outbox_partitions_create(9)")).isEqualTo("2");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void makesNoPartitionOnceTheDefaultOneIsLargeUnlessAllowed(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      // Stored as it is, so that some hundred rows are more than 64 MB.
      execute(
          connection,
          "ALTER TABLE outbox_event_default ALTER COLUMN payload SET STORAGE PLAIN",
          "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload) SELECT gen_random_uuid(), 'order', '1', 'OrderPlaced', to_json(repeat('x', 7000)) FROM generate_series(1, 8600)");
      assertThat(query(connection, "SELECT outbox_partitions_create(9)")).isEqualTo("0");
      execute(connection, "SET outbox.default_partition_max = '10GB'");
      assertThat(query(connection, "SELECT outbox_partitions_create(9)")).isEqualTo("2");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void makesPartitionsWhileWritersAreInTheirTransactions(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection writer = database.connect();
        Connection creator = database.connect()) {
      writer.setAutoCommit(false);
      execute(writer, "SELECT outbox_publish('order', '1', 'OrderPlaced', '{}')");
      assertThat(query(creator, "SELECT outbox_partitions_create(9)")).isEqualTo("2");

      // A row in the default partition, not committed: nobody can say yet whether the day is free.
      // Come again later.
      execute(writer, INSERT + "outbox_uuid7_floor(now() + interval '11 days'), " + ROW);
      assertThat(query(creator, "SELECT outbox_partitions_create(12)")).isEqualTo("0");
      writer.commit();
      assertThat(query(creator, "SELECT outbox_partitions_create(12)")).isEqualTo("2");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void knowsARepeatedIdInEveryPartition(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      String today = query(connection, "SELECT outbox_uuid7()");
      for (String id : new String[] {today, "f47ac10b-58cc-4372-a567-0e02b2c3d479"}) {
        String insert = INSERT + "'" + id + "', " + ROW;
        execute(connection, insert);
        assertThat(failureOf(connection, insert).sqlState()).isEqualTo("23505");
        execute(
            connection,
            insert + " ON CONFLICT DO NOTHING",
            insert + " ON CONFLICT (id) DO NOTHING");
      }
      assertThat(query(connection, "SELECT count(*) FROM outbox_event")).isEqualTo("2");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void newPartitionsHaveEveryRuleOfTheTable(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    assertThat(
            failureOf(
                    database,
                    "INSERT INTO "
                        + query(database, "SELECT max(name) FROM outbox_partitions()")
                        + " (id, aggregate_type, aggregate_id, event_type) VALUES (outbox_uuid7_floor(now() + interval '7 days'), 'order', '', 'OrderPlaced')")
                .message())
        .contains("outbox_event_aggregate_id_must_not_be_empty");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void listsRangesRowsAndBytes(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        "SELECT outbox_publish('order', n::text, 'OrderPlaced', '{}') FROM generate_series(1, 100) AS n");
    assertThat(
            query(database, "SELECT count(*) FROM outbox_partitions() WHERE rows_estimate IS NULL"))
        .isEqualTo("9");
    database.execute("ANALYZE outbox_event");
    assertThat(
            query(
                database,
                "SELECT rows_estimate FROM outbox_partitions() WHERE now() >= from_time AND now() < until_time"))
        .isEqualTo("100");
    assertThat(
            query(
                database,
                "SELECT bytes > 0 FROM outbox_partitions() WHERE name = 'outbox_event_default' AND from_time IS NULL AND until_time IS NULL"))
        .isEqualTo("t");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void dropsOnlyWholeDaysBeforeTheGivenTime(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection connection = database.connect()) {
      for (int day = 1; day <= 3; day++) {
        execute(
            connection,
            String.format(
                "CREATE TABLE outbox_event_p2020010%d PARTITION OF outbox_event FOR VALUES FROM (outbox_uuid7_floor('2020-01-0%d UTC')) TO (outbox_uuid7_floor('2020-01-0%d UTC'))",
                day, day, day + 1));
        execute(
            connection, INSERT + "outbox_uuid7_floor('2020-01-0" + day + " 12:00 UTC'), " + ROW);
      }
      assertThat(query(connection, "SELECT outbox_partitions_drop('2020-01-03 23:59 UTC')"))
          .isEqualTo("2");
      assertThat(
              query(
                  connection,
                  "SELECT string_agg(outbox_uuid7_time(id)::date::text, ',') FROM outbox_event"))
          .isEqualTo("2020-01-03");
      assertThat(query(connection, "SELECT outbox_partitions_drop(now() - interval '25 hours')"))
          .isEqualTo("1");
      assertThat(query(connection, "SELECT count(*) FROM outbox_partitions()")).isEqualTo("9");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void refusesToDropYoungEventsAndNonsense(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    for (String before :
        new String[] {"now()", "now() - interval '23 hours'", "'infinity'", "NULL"}) {
      assertThat(failureOf(database, "SELECT outbox_partitions_drop(" + before + ")").message())
          .contains("refuses to drop events younger than one day")
          .contains("below the agent's confirmed position");
    }
    for (String days : new String[] {"-1", "367", "NULL"}) {
      assertThat(failureOf(database, "SELECT outbox_partitions_create(" + days + ")").message())
          .contains("must be between 0 and 366");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void givesUpDroppingWhatATransactionHolds(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        "CREATE TABLE outbox_event_p20200101 PARTITION OF outbox_event FOR VALUES FROM (outbox_uuid7_floor('2020-01-01 UTC')) TO (outbox_uuid7_floor('2020-01-02 UTC'))");
    try (Connection reader = database.connect();
        Connection cleaner = database.connect()) {
      reader.setAutoCommit(false);
      query(reader, "SELECT count(*) FROM outbox_event");
      assertThat(query(cleaner, "SELECT outbox_partitions_drop('2020-01-03 UTC')")).isEqualTo("0");
      reader.commit();
      assertThat(query(cleaner, "SELECT outbox_partitions_drop('2020-01-03 UTC')")).isEqualTo("1");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void convertsBetweenTimeAndIds(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    assertThat(query(database, "SELECT outbox_uuid7_floor('2026-11-24 00:00:00 UTC')"))
        .isEqualTo(hexMillis("2026-11-24T00:00:00Z") + "-7000-8000-000000000000");
    assertThat(
            query(
                database,
                "SELECT outbox_uuid7_time(outbox_uuid7_floor('2026-11-24 12:34:56.789 UTC')) = '2026-11-24 12:34:56.789 UTC'"))
        .isEqualTo("t");
    assertThat(query(database, "SELECT outbox_uuid7_time('f47ac10b-58cc-4372-a567-0e02b2c3d479')"))
        .isNull();
    assertThat(query(database, "SELECT outbox_uuid7_floor('1970-01-01 UTC')"))
        .isEqualTo("00000000-0000-7000-8000-000000000000");
  }

  private static String hexMillis(String instant) {
    String hex = String.format("%012x", Instant.parse(instant).toEpochMilli());
    return hex.substring(0, 8) + "-" + hex.substring(8);
  }

  private static String partitionOf(Connection connection, String id) throws SQLException {
    return query(connection, INSERT + id + ", " + ROW + " RETURNING tableoid::regclass::text");
  }
}
