package io.outboxinbox.schema;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.UUID;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the inbox's tables remember, how they forget, and what never comes back. */
class InboxIT extends SchemaOnEachVersion {
  private static final String FILE = "schema/postgresql/10_inbox.sql";
  private static final String TODAY =
      "date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'";
  private static final String CLEAN = "SELECT * FROM inbox_clean('3 days')";
  private static final String FLOOR_3_DAYS_AGO =
      "SELECT floor = date_trunc('day', (now() - interval '3 days') AT TIME ZONE 'UTC')"
          + " AT TIME ZONE 'UTC' FROM inbox_floor";

  private static PostgresDatabase inbox(PostgresVersion version) throws SQLException {
    return on(version).newDatabase("10_inbox");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void runsTwiceAndKeepsWhatIsThere(PostgresVersion version) throws Exception {
    PostgresDatabase database = inbox(version);
    insert(database, "inbox_first_key(now())");
    clean(database);
    String floor = query(database, "SELECT floor FROM inbox_floor");
    database.runScript(FILE);
    assertThat(query(database, "SELECT count(*) FROM inbox_message")).isEqualTo("1");
    assertThat(query(database, "SELECT floor FROM inbox_floor")).isEqualTo(floor);
    // Eight days, the foreign partition and the default one.
    assertThat(query(database, "SELECT count(*) FROM inbox_partitions()")).isEqualTo("10");
    assertThat(query(database, "SELECT inbox_partitions_create(9)")).isEqualTo("2");
    assertThat(query(database, "SELECT inbox_partitions_create(9)")).isEqualTo("0");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void makesTheIndexOfTheVersionBeforeAnewOnceAndInItsSchemaOnly(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = inbox(version);
    String before =
        "CREATE INDEX inbox_dead_letter_message ON inbox_dead_letter (consumer, message_key)";
    String index =
        "SELECT indexrelid || ' ' || pg_get_indexdef(indexrelid) FROM pg_index"
            + " WHERE indexrelid = 'public.inbox_dead_letter_message'::regclass";
    database.execute("DROP INDEX inbox_dead_letter_message", before);
    String old = query(database, index);
    try (Connection connection = database.connect()) {
      execute(connection, "CREATE SCHEMA other", "SET search_path = other, public");
      execute(connection, script());
      assertThat(query(connection, index)).isEqualTo(old);
    }
    database.runScript(FILE);
    String made = query(database, index);
    assertThat(made).contains("message_id").doesNotContain("message_key");
    database.runScript(FILE);
    assertThat(query(database, index)).isEqualTo(made);
    // A build that was cut short.
    database.execute(
        "UPDATE pg_index SET indisvalid = false"
            + " WHERE indexrelid = 'inbox_dead_letter_message'::regclass");
    database.runScript(FILE);
    assertThat(query(database, index)).isNotEqualTo(made).contains("message_id");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void putsEachKeyWhereItIsForgottenTogether(PostgresVersion version) throws Exception {
    PostgresDatabase database = inbox(version);
    String today =
        query(
            database, "SELECT 'inbox_message_p' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')");
    assertThat(partitionOf(database, "inbox_first_key(now())")).isEqualTo(today);
    assertThat(partitionOf(database, "inbox_first_key(now() - interval '2 days')"))
        .isEqualTo("inbox_message_default");
    assertThat(partitionOf(database, "inbox_first_key(now() + interval '30 days')"))
        .isEqualTo("inbox_message_default");
    assertThat(partitionOf(database, foreign())).isEqualTo("inbox_message_foreign");
    assertThat(partitionOf(database, "'ffffffff-ffff-ffff-ffff-ffffffffffff'"))
        .isEqualTo("inbox_message_foreign");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void makesDaysOfUtcWhateverTheSessionsTimeZone(PostgresVersion version) throws Exception {
    PostgresDatabase database = inbox(version);
    for (String zone : new String[] {"Pacific/Kiritimati", "Pacific/Midway", "Europe/Berlin"}) {
      try (Connection connection = database.connect()) {
        execute(connection, "SET TIME ZONE '" + zone + "'");
        assertThat(query(connection, "SELECT inbox_partitions_create()")).isEqualTo("0");
        clean(connection, CLEAN);
        assertThat(query(connection, FLOOR_3_DAYS_AGO)).isEqualTo("t");
      }
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void leavesOutDaysThatHaveRowsInTheDefaultPartition(PostgresVersion version) throws Exception {
    PostgresDatabase database = inbox(version);
    insert(database, "inbox_first_key(now() + interval '10 days')");
    assertThat(query(database, "SELECT inbox_partitions_create(12)")).isEqualTo("4");
    try (Connection consumer = database.connect()) {
      consumer.setAutoCommit(false);
      execute(consumer, insertOf("inbox_first_key(now() + interval '14 days')"));
      assertThat(query(database, "SELECT inbox_partitions_create(15)")).isEqualTo("0");
      consumer.rollback();
    }
    assertThat(query(database, "SELECT inbox_partitions_create(15)")).isEqualTo("3");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void makesDaysWhileConsumersOfForeignIdsAreInTheirTransactions(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = inbox(version);
    try (Connection consumer = database.connect()) {
      consumer.setAutoCommit(false);
      execute(consumer, insertOf(foreign()), insertOf("inbox_first_key(now())"));
      assertThat(query(database, "SELECT inbox_partitions_create(9)")).isEqualTo("2");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void dropsTheDaysBelowTheFloorAndNoOther(PostgresVersion version) throws Exception {
    PostgresDatabase database = inbox(version);
    for (int day = 5; day >= 1; day--) {
      addDay(database, day);
      insert(database, "inbox_first_key(" + TODAY + " - interval '" + day + " days')");
      insert(
          database,
          "inbox_first_key("
              + TODAY
              + " - interval '"
              + (day - 1)
              + " days' - interval '1 millisecond')");
    }
    assertThat(clean(database)).isEqualTo("2 dropped, 0 deleted, more to do");
    assertThat(query(database, FLOOR_3_DAYS_AGO)).isEqualTo("t");
    assertThat(query(database, "SELECT count(*) FROM inbox_message")).isEqualTo("6");
    assertThat(clean(database)).isEqualTo("0 dropped, 0 deleted, done");
    assertThat(clean(database, "SELECT * FROM inbox_clean('1 day')"))
        .isEqualTo("2 dropped, 0 deleted, more to do");
    // Never back, because what lay between is forgotten.
    assertThat(clean(database)).isEqualTo("0 dropped, 0 deleted, done");
    assertThat(query(database, "SELECT floor = " + TODAY + " - interval '1 day' FROM inbox_floor"))
        .isEqualTo("t");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void forgetsNothingWhereEverythingIsToBeKept(PostgresVersion version) throws Exception {
    PostgresDatabase database = inbox(version);
    insert(database, "inbox_first_key(now())");
    // Days before 1970 are negative numbers, which must not become the largest keys.
    clean(database, "SELECT * FROM inbox_clean('200 years')");
    assertThat(query(database, "SELECT count(*) FROM inbox_message")).isEqualTo("1");
    insert(database, "inbox_first_key(now() - interval '20 days')");
    assertThat(query(database, "SELECT inbox_first_key('-infinity')"))
        .isEqualTo("00000000-0000-7000-8000-000000000000");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void refusesAForgottenIdEvenWhereAnOldSnapshotStillShowsItsDay(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = inbox(version);
    addDay(database, 5);
    String key = query(database, "SELECT inbox_first_key(now() - interval '5 days')");
    insert(database, "'" + key + "'");
    try (Connection consumer = database.connect()) {
      consumer.setAutoCommit(false);
      consumer.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      assertThat(query(consumer, "SELECT floor = '-infinity' FROM inbox_floor")).isEqualTo("t");
      clean(database);
      assertThat(query(consumer, "SELECT floor = '-infinity' FROM inbox_floor")).isEqualTo("t");
      Failure failure = failureOf(consumer, insertOf("'" + key + "'"));
      assertThat(failure.sqlState()).isEqualTo("23514");
      assertThat(failure.message()).contains("inbox_message_not_older_than_floor");
      consumer.rollback();
    }
    // On the floor itself is young enough.
    insert(database, "inbox_first_key((SELECT floor FROM inbox_floor))");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void deletesForeignIdsInBoundedNumbersAndOnlyBelowAFloorThatHasStood(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = inbox(version);
    for (int i = 0; i < 25; i++) {
      insert(database, foreign());
    }
    insert(database, "inbox_first_key(now() - interval '6 days')");
    insert(database, "inbox_first_key(now() - interval '2 days')");
    database.execute("UPDATE inbox_message SET received_at = now() - interval '5 days'");
    insert(database, foreign());
    String bounded = "SELECT * FROM inbox_clean('3 days', 10)";
    assertThat(clean(database, bounded)).isEqualTo("0 dropped, 0 deleted, more to do");
    assertThat(clean(database, bounded)).isEqualTo("0 dropped, 0 deleted, done");

    // A second move within the ten minutes must not make the first one look as if it had stood.
    clean(database, "SELECT * FROM inbox_clean('2 days 1 hour')");
    assertThat(clean(database, bounded)).isEqualTo("0 dropped, 0 deleted, done");

    database.execute("UPDATE inbox_floor SET moved_at = now() - interval '11 minutes'");
    assertThat(clean(database, bounded)).isEqualTo("0 dropped, 10 deleted, more to do");
    assertThat(clean(database, bounded)).isEqualTo("0 dropped, 10 deleted, more to do");
    assertThat(clean(database, bounded)).isEqualTo("0 dropped, 6 deleted, done");
    // A young foreign one, and one that came long ago but whose id says that it is young.
    assertThat(query(database, "SELECT count(*) FROM inbox_message")).isEqualTo("2");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void keepsForeignIdsThatCameLessThanAnHourBeforeTheFloor(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = inbox(version);
    clean(database);
    database.execute("UPDATE inbox_floor SET moved_at = now() - interval '11 minutes'");
    insert(database, foreign());
    database.execute(
        "UPDATE inbox_message SET received_at = floor - interval '59 minutes' FROM inbox_floor");
    assertThat(clean(database)).isEqualTo("0 dropped, 0 deleted, done");
    database.execute(
        "UPDATE inbox_message SET received_at = floor - interval '61 minutes' FROM inbox_floor");
    assertThat(clean(database)).isEqualTo("0 dropped, 1 deleted, done");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void letsOneSessionCleanAtATime(PostgresVersion version) throws Exception {
    PostgresDatabase database = inbox(version);
    try (Connection first = database.connect()) {
      first.setAutoCommit(false);
      clean(first, CLEAN);
      assertThat(clean(database)).isEqualTo("another session cleans");
      first.commit();
      assertThat(clean(database)).isEqualTo("0 dropped, 0 deleted, done");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void givesUpWithAWarningAndChangesNothingWhileAConsumerHoldsTheTable(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = inbox(version);
    addDay(database, 5);
    try (Connection consumer = database.connect();
        Connection cleaner = database.connect()) {
      consumer.setAutoCommit(false);
      execute(consumer, insertOf("inbox_first_key(now() - interval '5 days')"));
      assertThat(clean(cleaner, CLEAN))
          .startsWith("0 dropped, 0 deleted, done")
          .contains("transactions hold it; try again later");
      // It has returned although the table is still held. How long it waits at most, the functions
      // say themselves.
      assertThat(
              query(
                  database,
                  "SELECT count(*) FROM pg_proc WHERE proname IN ('inbox_clean',"
                      + " 'inbox_partitions_create') AND 'lock_timeout=2s' = ANY (proconfig)"))
          .isEqualTo("2");
      assertThat(query(database, "SELECT floor = '-infinity' FROM inbox_floor")).isEqualTo("t");
      assertThat(query(database, "SELECT count(*) FROM inbox_partitions()")).isEqualTo("11");
      consumer.commit();
      assertThat(clean(cleaner, CLEAN)).isEqualTo("1 dropped, 0 deleted, more to do");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void refusesNonsense(PostgresVersion version) throws Exception {
    PostgresDatabase database = inbox(version);
    for (String keep : new String[] {"'59 minutes'", "'-1 day'", "NULL"}) {
      assertThat(failureOf(database, "SELECT inbox_clean(" + keep + ")").message())
          .contains("must be at least one hour");
    }
    for (String max : new String[] {"0", "-1", "NULL"}) {
      assertThat(failureOf(database, "SELECT inbox_clean('1 day', " + max + ")").message())
          .contains("must be positive");
    }
    for (String days : new String[] {"-1", "367", "NULL"}) {
      assertThat(failureOf(database, "SELECT inbox_partitions_create(" + days + ")").message())
          .contains("must be between 0 and 366");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void anApplicationConsumesAndCleansWithoutOwningAnything(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = inbox(version);
    // Roles belong to the server, which other tests share.
    String role = "inbox_" + UUID.randomUUID().toString().substring(0, 8);
    database.execute("CREATE ROLE " + role + " LOGIN PASSWORD 'inbox'");
    try {
      database.execute(
          "GRANT SELECT, INSERT, UPDATE, DELETE ON inbox_message, inbox_watermark, inbox_epoch_end,"
              + " inbox_epoch_accepted, inbox_offset, inbox_dead_letter, inbox_dead_letter_header TO "
              + role,
          "GRANT SELECT ON inbox_floor TO " + role);
      addDay(database, 5);
      try (Connection application = database.connectAs(role, "inbox")) {
        execute(application, insertOf("inbox_first_key(now())"), insertOf(foreign()));
        for (String forbidden :
            new String[] {
              CLEAN,
              "SELECT inbox_partitions_create()",
              "DROP TABLE inbox_message",
              "UPDATE inbox_floor SET floor = 'infinity'"
            }) {
          assertThat(failureOf(application, forbidden).sqlState()).isEqualTo("42501");
        }
        database.execute(
            "GRANT EXECUTE ON FUNCTION inbox_clean(interval, int), inbox_partitions_create(int) TO "
                + role);
        assertThat(clean(application, CLEAN)).isEqualTo("1 dropped, 0 deleted, more to do");
        assertThat(clean(application, CLEAN)).isEqualTo("0 dropped, 0 deleted, done");
        assertThat(query(application, "SELECT count(*) FROM inbox_message")).isEqualTo("2");
      }
    } finally {
      database.execute("DROP OWNED BY " + role, "DROP ROLE " + role);
    }
  }

  private static String script() throws Exception {
    try (var in = InboxIT.class.getClassLoader().getResourceAsStream(FILE)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static String foreign() {
    return "'ff" + UUID.randomUUID().toString().substring(2) + "'";
  }

  private static String insertOf(String key) {
    return "INSERT INTO inbox_message (consumer, message_key) VALUES ('inventory', " + key + ")";
  }

  private static void insert(PostgresDatabase database, String key) throws SQLException {
    database.execute(insertOf(key));
  }

  private static String partitionOf(PostgresDatabase database, String key) throws SQLException {
    return query(database, insertOf(key) + " RETURNING tableoid::regclass::text");
  }

  /** The partition of a day that has gone by. */
  private static void addDay(PostgresDatabase database, int daysAgo) throws SQLException {
    String bounds =
        query(
            database,
            String.format(
                "SELECT format('FROM (%%L) TO (%%L)', inbox_first_key(%1$s - interval '%2$d days'),"
                    + " inbox_first_key(%1$s - interval '%3$d days'))",
                TODAY, daysAgo, daysAgo - 1));
    database.execute(
        "CREATE TABLE inbox_message_past"
            + daysAgo
            + " PARTITION OF inbox_message FOR VALUES "
            + bounds);
  }

  private static String clean(PostgresDatabase database) throws SQLException {
    return clean(database, CLEAN);
  }

  private static String clean(PostgresDatabase database, String call) throws SQLException {
    try (Connection connection = database.connect()) {
      return clean(connection, call);
    }
  }

  /** What was done, and the warnings. */
  private static String clean(Connection connection, String call) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(call)) {
      if (!row.next()) {
        return "another session cleans";
      }
      String done =
          row.getInt("partitions_dropped")
              + " dropped, "
              + row.getInt("rows_deleted")
              + " deleted, "
              + (row.getBoolean("is_done") ? "done" : "more to do");
      return statement.getWarnings() == null
          ? done
          : done + "; " + statement.getWarnings().getMessage();
    }
  }
}
