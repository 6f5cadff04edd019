package io.outboxinbox.agent.watch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.configure.RetentionConfiguration;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.outbox.Retention;
import io.outboxinbox.agent.source.table.TablePositions;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Drops partitions beside a running pipeline. The cleaner is the agent's; the test only decides
 * when it looks, and gives it the checkpoint that the broker has at that moment.
 */
@ParameterizedClass
@EnumSource(Memory.class)
class RetentionIT {
  @Parameter Memory memory;

  private static final int OLDEST_DAY = 6;
  private static final int YOUNGEST_DAY = 3;
  private static final int WRITERS = 3;
  private static final int TRANSACTIONS = 250;
  private static final String PARKED_DAY = "4";

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;
  private PipelineConfiguration configuration;
  private KeptReport report;
  private Cleaner cleaner;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
    PipelineConfiguration plain = rig.configuration("");
    configuration =
        new PipelineConfiguration(
            plain.name(),
            plain.source(),
            plain.route(),
            plain.publish(),
            plain.batch(),
            plain.leadership(),
            plain.retry(),
            plain.parking(),
            plain.wal(),
            new RetentionConfiguration("1d"));
    report = new KeptReport();
    cleaner = new Cleaner(configuration, connections(), this::checkpoint, report);
    for (int day = OLDEST_DAY; day >= YOUNGEST_DAY; day--) {
      rig.execute(
          """
          DO $$ DECLARE day date := (now() AT TIME ZONE 'UTC')::date - %d;
                        name text := 'outbox_event_p' || to_char(day, 'YYYYMMDD');
          BEGIN
            EXECUTE format('CREATE TABLE %%I (LIKE outbox_event INCLUDING ALL)', name);
            EXECUTE format('ALTER TABLE outbox_event ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO (%%L)', name,
              outbox_uuid7_floor(day::timestamp AT TIME ZONE 'UTC'),
              outbox_uuid7_floor((day + 1)::timestamp AT TIME ZONE 'UTC'));
          END $$
          """
              .formatted(day));
    }
  }

  @AfterEach
  void tearDown() throws Exception {
    cleaner.close();
    rig.close();
  }

  private Checkpoint checkpoint() {
    try (Connection session = rig.database.connect();
        Publisher publisher =
            configuration
                .publish()
                .newPublisher(new TablePositions(session, configuration.source()))) {
      return publisher.allCheckpoints().stream()
          .filter(found -> found.source().database().equals(rig.database.name()))
          .findFirst()
          .orElse(null);
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  private int oldPartitions() throws SQLException {
    return Integer.parseInt(
        rig.database.query(
            "SELECT count(*) FROM outbox_partitions() WHERE until_time < now() - interval '1 day'"));
  }

  /** An id made at noon of the day so many days ago, with random bits. */
  private static String idOf(Object daysAgo) {
    return "overlay(outbox_uuid7_floor(date_trunc('day', now(), 'UTC') + interval '12 hours' - make_interval(days => "
        + daysAgo
        + "))::text PLACING right(gen_random_uuid()::text, 16) FROM 21)::uuid";
  }

  private static String insert(Object daysAgo, int number) {
    return "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload) SELECT "
        + idOf(daysAgo)
        + ", 'order', 'key-0', 'placed', '{\"n\":"
        + number
        + "}'";
  }

  private String lastReason() {
    return report.why();
  }

  private void awaitLeading(Pipeline pipeline) {
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> pipeline.status().state() == PipelineStatus.State.LEADING);
  }

  /** Looks until old partitions are down to so many; each look must be free of errors. */
  private void cleanDownTo(int partitions) {
    await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () -> {
              cleaner.clean();
              return oldPartitions() == partitions;
            });
  }

  @Test
  void dropsUnderLoadOnlyWhatIsPublishedAndSettled() throws Exception {
    long seed = System.nanoTime();
    System.out.println("RetentionIT seed " + seed);
    rig.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, reason, is_behind, epoch, xid, lsn, committed_at)
        SELECT 's', 1, %s, 'why', false, 1, 1, '0/1', now()
        """
            .formatted(idOf(PARKED_DAY)));
    awaitLeading(rig.start(configuration));
    ConcurrentLinkedQueue<Integer> committed = new ConcurrentLinkedQueue<>();
    AtomicBoolean isDone = new AtomicBoolean();
    ExecutorService threads = Executors.newFixedThreadPool(WRITERS + 1);
    List<Future<?>> writers = new ArrayList<>();
    for (int i = 0; i < WRITERS; i++) {
      int writer = i;
      writers.add(threads.submit(() -> write(writer, new Random(seed + writer), committed)));
    }
    Future<?> cleaning =
        threads.submit(
            () -> {
              while (!isDone.get()) {
                cleaner.clean();
              }
              return null;
            });
    for (Future<?> writer : writers) {
      writer.get();
    }
    isDone.set(true);
    cleaning.get();
    threads.shutdown();
    await().atMost(Duration.ofSeconds(60)).until(() -> rig.consume().size() >= committed.size());
    assertThat(rig.consume().stream().map(r -> new String(r.value(), StandardCharsets.UTF_8)))
        .containsExactlyInAnyOrderElementsOf(
            committed.stream().map(n -> "{\"n\":" + n + "}").toList());
    // Days 6 and 5 may go, day 4 is held by the parked event, and day 3 behind it.
    cleanDownTo(2);
    cleaner.clean();
    assertThat(lastReason()).contains("parked event 1 is from there");
    assertThat(report.dropped()).isEqualTo(2);
    rig.execute("UPDATE outbox_parked SET state = 'discarded', settled_at = now()");
    cleanDownTo(0);
    assertThat(report.oldestKept()).isNotNull();
    assertThat(lastReason()).isEmpty();
  }

  /** Transactions of one to five old and new events; some stay open for a while, some roll back. */
  private Void write(int writer, Random random, ConcurrentLinkedQueue<Integer> committed)
      throws SQLException {
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      int number = writer * 1_000_000;
      for (int i = 0; i < TRANSACTIONS; i++) {
        List<Integer> events = new ArrayList<>();
        for (int event = 0; event <= random.nextInt(5); event++) {
          int daysAgo = random.nextInt(OLDEST_DAY + 1);
          statement.execute(insert(daysAgo, number));
          events.add(number++);
        }
        if (random.nextInt(20) == 0) {
          statement.execute("SELECT pg_sleep(" + random.nextDouble() * 1.5 + ")");
        }
        if (random.nextInt(10) == 0) {
          connection.rollback();
        } else {
          connection.commit();
          committed.addAll(events);
        }
      }
    }
    return null;
  }

  @Test
  void keepsWhatIsNotPublishedYet() throws Exception {
    Pipeline pipeline = rig.start(configuration);
    awaitLeading(pipeline);
    await().atMost(Duration.ofSeconds(60)).until(() -> checkpoint().endedXid() > 0);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    rig.execute(insert(5, 1));
    // Empty, and everything before it has ended.
    cleaner.clean();
    assertThat(oldPartitions()).isEqualTo(3);
    assertThat(lastReason()).contains("rows of transactions that the position has not certainly");
    awaitLeading(rig.start(configuration));
    await().atMost(Duration.ofSeconds(90)).until(() -> rig.consume().size() == 1);
    cleanDownTo(0);
  }

  @Test
  void parkedEventsOfAnotherTableKeepNoPartition() throws Exception {
    awaitLeading(rig.start(configuration));
    await().atMost(Duration.ofSeconds(60)).until(() -> checkpoint().endedXid() > 0);
    rig.execute(
        "CREATE TABLE event ()",
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, reason, is_behind, epoch, xid, lsn,
          committed_at, source_table)
        SELECT 's', 1, %s::text, 'why', false, 1, 1, '0/1', now(), 'name of before'
        """
            .formatted(idOf(PARKED_DAY)));
    cleaner.clean();
    assertThat(lastReason()).contains("parked event 1 is from there");
    rig.execute("UPDATE outbox_parked SET source_table = 'event'");
    cleanDownTo(0);
  }

  @Test
  void keepsWhatAnOpenTransactionHasWritten() throws Exception {
    awaitLeading(rig.start(configuration));
    await().atMost(Duration.ofSeconds(60)).until(() -> checkpoint().endedXid() > 0);
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute(insert(6, 1));
      cleaner.clean();
      assertThat(oldPartitions()).isEqualTo(4);
      assertThat(lastReason()).contains("a transaction that has written to it is still open");
      connection.commit();
    }
    cleanDownTo(0);
    assertThat(rig.consume()).hasSize(1);
  }

  @Test
  void waitsWhileAReaderHoldsAPartition() throws Exception {
    awaitLeading(rig.start(configuration));
    await().atMost(Duration.ofSeconds(60)).until(() -> checkpoint().endedXid() > 0);
    try (Connection connection = rig.database.connect();
        PreparedStatement statement =
            connection.prepareStatement("SELECT count(*) FROM outbox_event")) {
      connection.setAutoCommit(false);
      statement.executeQuery().close();
      cleaner.clean();
      assertThat(oldPartitions()).isEqualTo(4);
      assertThat(lastReason()).contains("still open");
      connection.commit();
    }
    cleanDownTo(0);
  }

  private SourceConnections connections() {
    return new SourceConnections(configuration.source());
  }

  @Test
  void dropsNothingWhileThePositionTellsTooLittle() throws Exception {
    cleaner.clean();
    assertThat(lastReason()).contains("rows older than the slot");
    awaitLeading(rig.start(configuration));
    await().atMost(Duration.ofSeconds(60)).until(() -> checkpoint().endedXid() > 0);
    Checkpoint checkpoint = checkpoint();
    try (Cleaner early =
        new Cleaner(configuration, connections(), () -> checkpoint.withEndedXid(0), report)) {
      early.clean();
    }
    assertThat(lastReason()).contains("does not yet tell what has ended");
    assertThat(oldPartitions()).isEqualTo(4);
  }

  @Test
  void saysThatPartitionsCannotBeMadeOrDropped() throws Exception {
    rig.execute(
        "DO $$ BEGIN CREATE ROLE some_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "ALTER FUNCTION outbox_partitions_create(int) OWNER TO some_owner",
        "ALTER FUNCTION outbox_partitions_drop(timestamptz) OWNER TO some_owner");
    Pipeline pipeline = rig.start(configuration);
    awaitLeading(pipeline);
    rig.await(() -> !pipeline.status().retention().warning().isEmpty());
    assertThat(pipeline.status().retention().warning())
        .startsWith("partitions could not be made ahead of time: ")
        .contains("outbox_event")
        .doesNotContain("\n");
    List<Finding> warnings =
        SourcePreflight.check(configuration.source(), false).stream()
            .filter(finding -> finding.what().contains("act with the rights of some_owner"))
            .toList();
    assertThat(warnings).singleElement().returns(Finding.Severity.WARNING, Finding::severity);
    rig.execute(warnings.get(0).fix());
    await().atMost(Duration.ofSeconds(60)).until(() -> checkpoint().endedXid() > 0);
    cleanDownTo(0);
    // The next lead tries at once, and this one within the hour.
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    Pipeline next = rig.start(configuration);
    awaitLeading(next);
    rig.insert(0, 1);
    rig.awaitEvents(1);
    assertThat(next.status().retention().warning()).isEmpty();
  }

  @Test
  void findsThatATableWithoutPartitionsCannotBeCleaned() throws Exception {
    assertThat(Retention.check(configuration.source()))
        .allMatch(finding -> finding.severity() == Finding.Severity.OK);
    rig.execute("REVOKE EXECUTE ON FUNCTION outbox_partitions_drop(timestamptz) FROM outbox_agent");
    assertThat(Retention.check(configuration.source()))
        .singleElement()
        .extracting(Finding::fix)
        .asString()
        .contains("GRANT EXECUTE ON FUNCTION");
    rig.execute("DROP TABLE outbox_event CASCADE", "CREATE TABLE outbox_event (id uuid)");
    assertThat(Retention.check(configuration.source()))
        .singleElement()
        .extracting(Finding::what)
        .asString()
        .contains("has no partitions to drop");
  }
}
