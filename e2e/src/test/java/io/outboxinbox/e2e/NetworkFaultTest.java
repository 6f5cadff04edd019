package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Limit;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import io.outboxinbox.testkit.TcpProxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** The network between agent and database goes silent or flaps, while both ends are well. */
class NetworkFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final int ATOMIC_EVENTS = 10_000;
  private static final int EVENTS_PER_SECOND = 500;
  private static final int DOWN_MILLIS_MIN = 2_000;
  private static final int DOWN_MILLIS_MAX = 15_000;

  /** As AgentConfig sets leadership.stallAfter. */
  private static final Duration STALL_AFTER = Duration.ofSeconds(15);

  private static final Limit RECOVERY =
      new Limit("publishes again after the link went silent", STALL_AFTER.multipliedBy(3));
  private static final Limit TAKEOVER =
      new Limit("takeover from a host that vanished", Duration.ofSeconds(10));

  private final long seed = Setting.seed();

  private Stage stage;
  private SourceDatabase database;
  private LedgerRun run;
  private Report report;
  private final List<TcpProxy> links = new ArrayList<>();
  private final List<AgentProcess> agents = new ArrayList<>();

  @BeforeEach
  void start() {
    stage = Stage.start();
    database = SourceDatabase.create(stage.postgres());
    run = LedgerRun.start(stage, database, seed);
    report = new Report("Network, seed " + seed);
  }

  @AfterEach
  void close() {
    agents.forEach(AgentProcess::close);
    links.forEach(TcpProxy::close);
    run.close();
    stage.close();
  }

  /** An agent with a link of its own to the database. */
  private AgentProcess agent(String name) {
    TcpProxy link = TcpProxy.to(stage.postgres().port());
    links.add(link);
    AgentConfig config =
        AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC)
            .source("port", String.valueOf(link.port()));
    AgentProcess agent = AgentProcess.of("network-" + name, config);
    agents.add(agent);
    return agent;
  }

  /** A firewall forgets the replication connection alone; pulses are still written. */
  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void startsOverWhenOnlyTheStreamGoesSilent() {
    recoversFrom("stream", link -> link.forget("START_REPLICATION"));
  }

  /** A firewall forgets all connections; the server believes in them, lock and slot included. */
  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void startsOverWhenEveryConnectionGoesSilent() {
    recoversFrom("all", TcpProxy::forget);
  }

  private interface Damage {
    void to(TcpProxy link);
  }

  private void recoversFrom(String name, Damage damage) {
    AgentProcess agent = agent("silent-" + name);
    agent.startAndLead(LEADS_WITHIN);
    try (Load load = run.load(EVENTS_PER_SECOND)) {
      publishOne();
      Stopwatch sinceSilence = Stopwatch.start();
      damage.to(links.get(0));
      publishOne();
      report.line("silent: %s", name);
      RECOVERY.check(sinceSilence.elapsed(), report);
      load.stop();
    }
    audit(agent);
  }

  /** Its power goes: no FIN, no RST, and the database keeps its sessions, its lock and its slot. */
  @Test
  void standbyTakesOverFromAHostThatVanished() {
    AgentProcess leader = agent("vanishing");
    leader.startAndLead(LEADS_WITHIN);
    AgentProcess standby = agent("heir");
    standby.start();
    standby.awaitStatus(status -> status.is("STANDBY"), LEADS_WITHIN);
    try (Load load = run.load(EVENTS_PER_SECOND)) {
      publishOne();
      Stopwatch sinceLoss = Stopwatch.start();
      links.get(0).blackhole();
      leader.kill();
      standby.awaitStatus(status -> status.is("LEADING"), LEADS_WITHIN);
      TAKEOVER.check(sinceLoss.elapsed(), report);
      publishOne();
      report.line("publishes again %s after the loss", Report.seconds(sinceLoss.elapsed()));
      load.stop();
    }
    audit(standby);
  }

  /** Whoever leads loses its link now and then; the others must not fight over what is left. */
  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void leadershipChangesAtMostOncePerCutOfAFlappingLink() throws Exception {
    int cuts = Setting.of("flapping.cuts", 20);
    for (String name : List.of("one", "two", "three")) {
      agent("flapping-" + name).start();
    }
    publishOne();
    SplittableRandom random = new SplittableRandom(seed);
    int before = leads();
    try (Load load = run.load(EVENTS_PER_SECOND)) {
      for (int i = 0; i < cuts; i++) {
        TcpProxy link = links.get(leader());
        link.cut();
        TimeUnit.MILLISECONDS.sleep(random.nextInt(DOWN_MILLIS_MIN, DOWN_MILLIS_MAX));
        link.restore();
        publishOne();
      }
      load.stop();
    }
    int changes = leads() - before;
    report.line("%d cuts of the leader's link, %d changes of the leader", cuts, changes);
    audit(agents.get(leader()));
    assertThat(changes).as(report.toString()).isLessThanOrEqualTo(cuts);
  }

  /** Whoever publishes older rows is about to lead. */
  private int leader() {
    return Awaitility.await()
        .atMost(LEADS_WITHIN)
        .until(
            () ->
                IntStream.range(0, agents.size())
                    .filter(i -> agents.get(i).status().is("LEADING"))
                    .findFirst(),
            OptionalInt::isPresent)
        .getAsInt();
  }

  /** How often any agent has begun to lead. */
  private int leads() {
    return agents.stream()
        .mapToInt(agent -> agent.log().split("leading source ", -1).length - 1)
        .sum();
  }

  private void publishOne() {
    Transaction marker = run.writeMarker();
    run.reader().await(marker.entries().get(0).id(), LEADS_WITHIN);
  }

  private void audit(AgentProcess agent) {
    Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
    report.verdict(verdict).print();
    assertThat(verdict.isClean()).as(report.toString()).isTrue();
  }
}
