package io.outboxinbox.agent.source.table;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.outbox.PageLimit;
import io.outboxinbox.agent.source.outbox.StoredRows;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** However large rows are, no more of them are held than a page's bytes. */
class PageBytesIT {
  private static final int ROWS = 30;
  private static final int ROW_BYTES = 900_000;
  private static final long PAGE_BYTES = 2_000_000;

  /** The driver refuses to hold more than this of one answer. */
  private static final String HELD_MAX = "4M";

  private static final StoredRows.Selection ALL =
      new StoredRows.Selection(null, null, List.of(), "order", null);

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private SourceConfiguration source;
  private Connection connection;

  @BeforeEach
  void setUp() throws Exception {
    PostgresDatabase database =
        postgres.newDatabase("01_outbox", "02_partitions", "03_publication", "04_agent");
    source = Sources.of(database, "outbox_event", Layout.STANDARD, Map.of(), List.of());
    database.execute(
        """
        INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload)
        SELECT 'order', n, 'placed', to_json(repeat('x', %d)) FROM generate_series(1, %d) n
        """
            .formatted(ROW_BYTES, ROWS),
        """
        INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload)
        SELECT 'order', n, 'placed', '{}' FROM generate_series(1, 500) n
        """,
        """
        INSERT INTO outbox_backlog (source, ordinal, event_id)
        SELECT 's', row_number() OVER (ORDER BY occurred_at, id), id FROM outbox_event
        """);
    connection =
        DriverManager.getConnection(
            database.jdbcUrl() + "?maxResultBuffer=" + HELD_MAX,
            database.user(),
            database.password());
  }

  @AfterEach
  void tearDown() throws SQLException {
    connection.close();
  }

  /** One statement for millions of rows would not end within the time an answer may take. */
  @Test
  void forgetsABacklogInPortions() throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute(
          """
          INSERT INTO outbox_backlog SELECT 's', 1000 + n, n FROM generate_series(1, 30000) n;
          INSERT INTO outbox_backlog VALUES ('other', 1, 'x');
          CREATE TABLE portion (n bigint);
          CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO portion SELECT count(*) FROM gone; RETURN NULL; END';
          CREATE TRIGGER note AFTER DELETE ON outbox_backlog REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION note();
          """);
      new Backlog(source).clear(connection, "s");
      try (ResultSet row =
          statement.executeQuery(
              "SELECT (SELECT string_agg(source, ',') FROM outbox_backlog),"
                  + " (SELECT max(n) || ' of ' || sum(n) FROM portion)")) {
        row.next();
        assertThat(row.getString(1)).isEqualTo("other");
        assertThat(row.getString(2)).isEqualTo("10000 of " + (30_000 + ROWS + 500));
      }
    }
  }

  @Test
  void readsOlderRowsInPagesOfBytes() throws Exception {
    Backlog backlog = new Backlog(source);
    List<Integer> pages = new ArrayList<>();
    long after = 0;
    BacklogPages.Page page;
    do {
      page =
          backlog.read(
              connection, "s", after, new PageLimit(5000, PAGE_BYTES), SourcePosition.atCommit(1));
      after = page.lastOrdinal();
      pages.add(page.rows().size());
    } while (!page.rows().isEmpty());
    assertThat(pages.stream().mapToInt(Integer::intValue).sum()).isEqualTo(ROWS + 500);
    // The third row reaches two million bytes; many small ones still go together.
    assertThat(pages).startsWith(3, 3, 3).endsWith(500, 0);
  }

  @Test
  void readsRowsToReplayInPagesOfBytes() throws Exception {
    StoredRows rows = new StoredRows(source.outboxes().get(0), 0);
    List<Integer> pages = new ArrayList<>();
    String after = null;
    List<StoredRows.Stored> page;
    do {
      page = rows.page(connection, ALL, after, new PageLimit(5000, PAGE_BYTES));
      pages.add(page.size());
      after = page.isEmpty() ? after : page.get(page.size() - 1).id();
    } while (!page.isEmpty());
    assertThat(pages.stream().mapToInt(Integer::intValue).sum()).isEqualTo(ROWS + 500);
    assertThat(pages).startsWith(3, 3, 3).endsWith(500, 0);
  }
}
