package io.outboxinbox.agent.source.table;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a new leader does to a table with very many rows. */
class ParkedTableIT {
  private static final int EVENTS = 12_000;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  /** One statement for millions of rows would not end within the time an answer may take. */
  @Test
  void joinsLinesInPortions() throws Exception {
    PostgresDatabase database = postgres.newDatabase("04_agent");
    database.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, key, destination, destination_rule, reason,
          is_behind, epoch, xid, lsn, committed_at)
        SELECT 's', n, n %% 7, 'orders', 'before', 'r', false, 1, 1, '0/1', now()
        FROM generate_series(1, %d) n
        """
            .formatted(EVENTS),
        """
        INSERT INTO outbox_parked (source, ordinal, key, destination, destination_rule, reason,
          is_behind, epoch, xid, lsn, committed_at)
        VALUES ('s', 50000, 'fine', 'orders', 'now', 'r', false, 1, 1, '0/1', now())
        """,
        "CREATE TABLE portion (n bigint)",
        """
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN INSERT INTO portion SELECT count(*) FROM joined; RETURN NULL; END'
        """,
        """
        CREATE TRIGGER note AFTER UPDATE ON outbox_parked REFERENCING NEW TABLE AS joined
          FOR EACH STATEMENT EXECUTE FUNCTION note()
        """);
    try (Connection leader = database.connect();
        Statement statement = leader.createStatement()) {
      new ParkedTable("public", "s").joinLanes(leader, "now");
      try (ResultSet row =
          statement.executeQuery(
              "SELECT (SELECT max(n) || ' of ' || sum(n) FROM portion),"
                  + " (SELECT string_agg(key, ',') FROM outbox_parked"
                  + " WHERE destination IS NOT NULL)")) {
        row.next();
        assertThat(row.getString(1)).isEqualTo("5000 of " + EVENTS);
        assertThat(row.getString(2)).isEqualTo("fine");
      }
    }
  }
}
