package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.KafkaRequests;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import io.outboxinbox.testkit.FreePorts;
import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import io.outboxinbox.testkit.TcpProxy;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * The connection to the broker breaks at the one moment that matters: when the agent has asked for
 * the commit and has no answer. Half of the time the request is lost, half of the time the answer;
 * the agent cannot tell them apart, and both guesses it could make are wrong half of the time.
 */
class UnknownCommitFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final int ATOMIC_EVENTS = 10_000;
  private static final int EVENTS_PER_SECOND = 300;

  /** What the network swallows. */
  private enum Lost {
    REQUEST,
    ANSWER
  }

  private final long seed = Setting.seed();
  private final int rounds = Setting.of("unknown.rounds", 1);
  private final AtomicReference<Lost> armed = new AtomicReference<>();
  private final int proxiedPort = FreePorts.pick();
  private TcpProxy network;

  @Test
  void findsOutWhetherItsCommitHappened() throws Exception {
    network = TcpProxy.watched(proxiedPort, () -> new KafkaRequests(this::atRequest));
    KafkaBroker.Options broker =
        KafkaBroker.Options.defaults()
            .withSecondListener(new KafkaBroker.Listener(proxiedPort, network.port(), "PLAINTEXT"));
    try (Stage stage = Stage.start(PostgresServer.Options.of(PostgresVersion.V17), broker)) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config =
          AgentConfig.of(database, "127.0.0.1:" + network.port(), Stage.TOPIC)
              // How long the agent waits for the answer before it gives up.
              .publish("transactionTimeout", "5s");
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent = AgentProcess.of("unknown-commit", config)) {
        agent.startAndLead(LEADS_WITHIN);
        Report report = new Report("Commit without an answer, seed " + seed);
        Map<Lost, Integer> aborted = new EnumMap<>(Lost.class);
        try (Load load = run.load(EVENTS_PER_SECOND)) {
          for (int i = 0; i < rounds; i++) {
            for (Lost lost : Lost.values()) {
              aborted.merge(lost, lose(lost, stage, run, agent, report), Integer::sum);
            }
          }
          load.stop();
        }
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
        report.verdict(verdict).print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
        assertThat(aborted.get(Lost.REQUEST)).as("outcome: aborted\n" + report).isPositive();
        assertThat(aborted.get(Lost.ANSWER)).as("outcome: committed\n" + report).isZero();
      }
    } finally {
      network.close();
    }
  }

  /** On the proxy's thread, before the request is forwarded. */
  private void atRequest(short kind) {
    Lost lost = kind == KafkaRequests.END_TXN ? armed.getAndSet(null) : null;
    if (lost == Lost.REQUEST) {
      network.cut();
    } else if (lost == Lost.ANSWER) {
      network.holdAnswers();
    }
  }

  /**
   * Breaks the connection at the next commit until the agent has given up on it.
   *
   * @return how many Kafka transactions were aborted by it
   */
  private int lose(Lost lost, Stage stage, LedgerRun run, AgentProcess agent, Report report) {
    publishOne(run);
    int before = stage.brokerLog(Stage.TOPIC).abortedTransactions();
    armed.set(lost);
    agent.awaitStatus(status -> !status.is("LEADING"), LEADS_WITHIN);
    String reason = agent.status().reason();
    // The requests of the giving up are not to arrive late and abort what is open.
    network.cut();
    network.restore();
    Stopwatch recovery = Stopwatch.start();
    publishOne(run);
    int aborted = stage.brokerLog(Stage.TOPIC).abortedTransactions() - before;
    report.line(
        "%s lost: agent said \"%s\"; %d transactions aborted; publishes again %s after the repair",
        lost, reason, aborted, Report.seconds(recovery.elapsed()));
    return aborted;
  }

  private static void publishOne(LedgerRun run) {
    Transaction marker = run.writeMarker();
    Awaitility.await("the marker is published")
        .atMost(LEADS_WITHIN)
        .until(() -> run.reader().has(marker.entries().get(0).id()));
  }
}
