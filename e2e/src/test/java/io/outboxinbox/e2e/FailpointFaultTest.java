package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.Fault;
import io.outboxinbox.e2e.rig.KafkaRequests;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SlotFlushes;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import io.outboxinbox.testkit.FreePorts;
import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import io.outboxinbox.testkit.TcpProxy;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Uuid;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * The agent is killed at every point where it could have half done something. The points are found
 * on the wire, between the agent and its two servers, so that the agent under test is the one that
 * ships.
 */
class FailpointFaultTest {
  private static final Duration LIMIT = Duration.ofSeconds(90);
  private static final String POSITIONS = "outbox-agent-positions";
  private static final int ATOMIC_EVENTS = 10_000;
  private static final int EVENTS_PER_SECOND = 300;

  /** Enough for several produce requests in one Kafka transaction. */
  private static final int BURST_ROWS = 5_000;

  private static final int PAGE_ROWS = 500;

  /** Of rows older than the slot nobody knows the commit order, nor who committed together. */
  private static final Set<Fault> OF_BACKLOG =
      EnumSet.of(Fault.REORDERED, Fault.OUT_OF_COMMIT_ORDER, Fault.TORN);

  private enum Point {
    /** A batch is read from the log; nothing of it has reached the broker. */
    BEFORE_SEND,
    /** Some of its events have. */
    AFTER_SOME_SENDS,
    /** Events have, the position has not. */
    BEFORE_POSITION,
    /** All has, the commit has not. */
    BEFORE_COMMIT,
    /** The commit has happened; the agent does not know. */
    AFTER_COMMIT,
    /** The agent knows; the slot does not. */
    BEFORE_SLOT_FLUSH,
    /** A starting agent has shut out its predecessor and not yet read the position. */
    BEFORE_POSITION_READ
  }

  private final long seed = Setting.seed();
  private final int kills = Setting.of("failpoint.kills", 1);
  private final int pages = Setting.of("failpoint.pages", 4);
  private final int brokerPort = FreePorts.pick();

  private Stage stage;
  private SourceDatabase database;
  private TcpProxy toBroker;
  private TcpProxy toDatabase;
  private AgentConfig config;
  private Report report;

  private volatile Uuid positions = Uuid.ZERO_UUID;
  private volatile Point armed;
  private volatile boolean hasTakenOver;
  private final AtomicInteger produced = new AtomicInteger();
  private volatile CountDownLatch hit = new CountDownLatch(1);

  @BeforeEach
  void start() throws Exception {
    toBroker = TcpProxy.watched(brokerPort, () -> new KafkaRequests(new Finder(), positions));
    KafkaBroker.Options broker =
        KafkaBroker.Options.defaults()
            .withSecondListener(new KafkaBroker.Listener(brokerPort, toBroker.port(), "PLAINTEXT"));
    stage = Stage.start(PostgresServer.Options.of(PostgresVersion.V17), broker);
    toDatabase =
        TcpProxy.watched(
            stage.postgres().port(),
            () -> new SlotFlushes(() -> reach(Point.BEFORE_SLOT_FLUSH, toDatabase)));
    database = SourceDatabase.create(stage.postgres());
    config =
        AgentConfig.of(database, "127.0.0.1:" + toBroker.port(), Stage.TOPIC)
            .source("port", String.valueOf(toDatabase.port()));
    report = new Report("Failpoints, seed " + seed);
  }

  @AfterEach
  void close() {
    toBroker.close();
    toDatabase.close();
    stage.close();
  }

  @Test
  void publishesOnceInOrderWhereverItIsKilled() throws Exception {
    try (LedgerRun run = LedgerRun.start(stage, database, seed);
        AgentProcess agent = AgentProcess.of("failpoint", config)) {
      agent.startAndLead(LIMIT);
      learnPositions();
      // Its connections were opened before the id was known.
      agent.kill();
      agent.startAndLead(LIMIT);
      try (Load load = run.load(EVENTS_PER_SECOND)) {
        for (Point point : Point.values()) {
          for (int i = 0; i < kills; i++) {
            killAt(point, run, agent);
          }
        }
        load.stop();
      }
      Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
      report.verdict(verdict).print();
      assertThat(verdict.isClean()).as(report.toString()).isTrue();
      assertThat(verdict.abortedCopies()).as("kills met open transactions").isPositive();
    }
  }

  /** Rows older than the slot, page by page; killed before and after the commit of each. */
  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void publishesTheBacklogOnceWhereverItIsKilled() throws Exception {
    config.batch("maxEvents", String.valueOf(PAGE_ROWS));
    try (LedgerRun run = LedgerRun.start(stage, database, seed);
        AgentProcess agent = AgentProcess.of("failpoint-backlog", config)) {
      run.writeBurst((pages + 1) * PAGE_ROWS);
      int killed = 0;
      while (run.reader().count() < pages * PAGE_ROWS) {
        arm(killed++ % 2 == 0 ? Point.BEFORE_COMMIT : Point.AFTER_COMMIT);
        agent.start();
        awaitHit(agent);
      }
      report.line("killed at %d commits of %d pages and of the first position", killed, pages);
      agent.start();
      Verdict verdict = run.finish(agent, ATOMIC_EVENTS).without(OF_BACKLOG);
      report.verdict(verdict).print();
      assertThat(verdict.isClean()).as(report.toString()).isTrue();
    }
  }

  private void killAt(Point point, LedgerRun run, AgentProcess agent) throws InterruptedException {
    if (point == Point.BEFORE_POSITION_READ) {
      agent.kill();
      arm(point);
      agent.start();
    } else {
      arm(point);
      run.writeBurst(BURST_ROWS);
    }
    int publishedBefore = run.reader().count();
    awaitHit(agent);
    long open = stage.brokerLog(Stage.TOPIC).openCopies();
    agent.start();
    Transaction marker = run.writeMarker();
    run.reader().await(marker.entries().get(0).id(), LIMIT);
    report.line(
        "killed at %s with %,d published and %,d in an open Kafka transaction",
        point, publishedBefore, open);
  }

  private void arm(Point point) {
    hit = new CountDownLatch(1);
    hasTakenOver = false;
    produced.set(0);
    armed = point;
  }

  private void awaitHit(AgentProcess agent) throws InterruptedException {
    boolean isHit = hit.await(LIMIT.toSeconds(), TimeUnit.SECONDS);
    assertThat(isHit).as("%s is reached\n%s", armed, report).isTrue();
    agent.kill();
    toBroker.restore();
    toDatabase.restore();
  }

  /** On a proxy's thread: lets nothing more through, so that the agent cannot go on. */
  private void reach(Point point, TcpProxy network) {
    if (armed == point && hit.getCount() > 0) {
      if (point == Point.AFTER_COMMIT) {
        network.holdAnswers();
      } else {
        network.cut();
      }
      armed = null;
      hit.countDown();
    }
  }

  private void learnPositions() {
    try (Admin admin = stage.kafka().admin()) {
      Awaitility.await("the position topic exists")
          .atMost(LIMIT)
          .ignoreExceptions()
          .until(
              () -> {
                var topic = admin.describeTopics(Set.of(POSITIONS)).allTopicNames().get();
                positions = topic.get(POSITIONS).topicId();
                return true;
              });
    }
  }

  /** Sees the requests of all of the agent's Kafka clients. */
  private final class Finder implements KafkaRequests.Finder {
    @Override
    public void begins(short kind) {
      switch (kind) {
        case KafkaRequests.PRODUCE -> {
          produced.incrementAndGet();
          reach(Point.BEFORE_SEND, toBroker);
          if (produced.get() > 1) {
            reach(Point.AFTER_SOME_SENDS, toBroker);
          }
        }
        case KafkaRequests.END_TXN -> {
          produced.set(0);
          reach(Point.BEFORE_COMMIT, toBroker);
          reach(Point.AFTER_COMMIT, toBroker);
        }
        case KafkaRequests.INIT_PRODUCER_ID -> hasTakenOver = true;
        case KafkaRequests.FETCH -> {
          if (hasTakenOver) {
            reach(Point.BEFORE_POSITION_READ, toBroker);
          }
        }
        default -> {
          // Nothing happens there that could be half done.
        }
      }
    }

    @Override
    public void names(short kind, Uuid topic) {
      // Alone in a transaction it would be the position of an idle moment.
      if (kind == KafkaRequests.PRODUCE && produced.get() > 1) {
        reach(Point.BEFORE_POSITION, toBroker);
      }
    }
  }
}
