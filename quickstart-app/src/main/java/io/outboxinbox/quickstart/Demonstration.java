package io.outboxinbox.quickstart;

import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.quickstart.order.OrderService;
import io.outboxinbox.quickstart.order.OrderTraffic;
import io.outboxinbox.quickstart.proof.Latency;
import io.outboxinbox.quickstart.proof.Ledger;
import io.outboxinbox.quickstart.screen.Terminal;
import io.outboxinbox.quickstart.screen.Terminal.Tone;
import io.outboxinbox.quickstart.stage.AgentProcess;
import io.outboxinbox.quickstart.stage.AgentSettings;
import io.outboxinbox.quickstart.stage.Databases;
import io.outboxinbox.quickstart.stage.InventoryProcess;
import io.outboxinbox.quickstart.stage.Leftovers;
import io.outboxinbox.quickstart.stage.LogFile;
import io.outboxinbox.quickstart.stage.Ports;
import io.outboxinbox.quickstart.stage.Servers;
import io.outboxinbox.quickstart.stage.Trouble;
import io.outboxinbox.quickstart.stage.Workplace;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.AppInfoParser;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts everything in its order, has the {@link Show} run, and stops everything in reverse order.
 * Used by the main thread only.
 */
final class Demonstration implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Demonstration.class);
  private static final int PARTITIONS = 3;
  private static final Duration READY_WITHIN = Duration.ofMinutes(2);
  private static final long LOOK_EVERY_MILLIS = 50;

  private record Part(String name, AutoCloseable handle) {}

  private final Options options;
  private final Terminal terminal;
  private final Wishes wishes;
  private final Deque<Part> started = new ArrayDeque<>();
  private final long startedAt = System.nanoTime();

  Demonstration(Options options, Terminal terminal, Wishes wishes) {
    this.options = options;
    this.terminal = terminal;
    this.wishes = wishes;
  }

  /**
   * Runs to the end.
   *
   * @return whether nothing was lost or doubled
   * @throws Trouble it could not run
   */
  boolean run() throws Trouble {
    Path jar = options.agentJar();
    if (jar == null) {
      throw new Trouble("--agent-jar is missing; start by the script quickstart, which knows it");
    }
    Ports ports = options.ports().settled();
    Workplace workplace = workplace();
    Servers servers = started("PostgreSQL and Kafka", Servers.start(workplace, ports));
    step("PostgreSQL and Kafka are up");
    Databases databases = new Databases(servers.postgres());
    databases.create();
    servers.kafka().createTopic(AgentSettings.TOPIC, PARTITIONS, Map.of());
    step("tables, logins and the topic are created");
    if (wishes.wantsEnd()) {
      return endedEarly();
    }
    AgentSettings settings =
        new AgentSettings(
            servers.postgres().port(), servers.kafka().bootstrapServers(), ports.agent());
    AgentProcess agent = started("the agent", new AgentProcess(jar, workplace, settings));
    agent.process().start();
    Latency latency = new Latency();
    Ledger ledger = new Ledger(latency);
    TopicAuditor auditor = startAuditor(servers, ledger);
    ReservationWatch watch = startWatch(databases, ledger);
    InventoryProcess inventory =
        started(
            "the inventory",
            new InventoryProcess(
                workplace, databases.inventoryUrl(), servers.kafka().bootstrapServers()));
    inventory.process().start();
    if (!awaitReady(agent)) {
      return endedEarly();
    }
    step("the agent publishes");
    tellAddresses(servers, agent, inventory, workplace);
    Show.Cast cast = new Show.Cast(agent, traffic(databases, ledger), inventory, auditor, watch);
    Show show = new Show(options, terminal, wishes, cast, new Show.Proof(ledger, latency));
    return show.run(new Books(databases), versions(databases));
  }

  private boolean endedEarly() {
    terminal.print(Tone.CAUTION, "ended before the first order, as you wish");
    return true;
  }

  private Workplace workplace() throws Trouble {
    Workplace workplace =
        started("the directory", Workplace.create(options.workIn(), options.keep()));
    LogFile.open(workplace.file("quickstart.log"));
    started("the log", LogFile::close);
    for (Path cleaned : Leftovers.clean(workplace)) {
      terminal.print(Tone.CAUTION, "  deleted what an earlier run left behind in " + cleaned);
    }
    return workplace;
  }

  private TopicAuditor startAuditor(Servers servers, Ledger ledger) {
    List<TopicPartition> partitions =
        IntStream.range(0, PARTITIONS)
            .mapToObj(partition -> new TopicPartition(AgentSettings.TOPIC, partition))
            .toList();
    TopicAuditor auditor =
        started(
            "the auditor",
            new TopicAuditor(servers.kafka().bootstrapServers(), partitions, ledger));
    auditor.start();
    return auditor;
  }

  private ReservationWatch startWatch(Databases databases, Ledger ledger) throws Trouble {
    try {
      ReservationWatch watch =
          started("the watch on reservations", new ReservationWatch(databases, ledger));
      watch.start();
      return watch;
    } catch (SQLException e) {
      throw new Trouble("cannot watch the inventory's database: " + e.getMessage(), e);
    }
  }

  private OrderTraffic traffic(Databases databases, Ledger ledger) {
    HikariDataSource pool =
        started(
            "the order service's pool",
            databases.orderService(OrderTraffic.writersFor(options.eventsPerSecond())));
    return started(
        "the order service", new OrderTraffic(new OrderService(pool), ledger, Databases.SKUS));
  }

  /**
   * @return false if the user wants to end before
   */
  private boolean awaitReady(AgentProcess agent) throws Trouble {
    long deadline = System.nanoTime() + READY_WITHIN.toNanos();
    while (!agent.isReady()) {
      if (!agent.process().isAlive()) {
        throw new Trouble(
            "the agent ended with code "
                + agent.process().exitCode()
                + ":\n"
                + agent.process().logTail());
      }
      if (System.nanoTime() - deadline > 0) {
        throw new Trouble(
            "the agent is not ready after "
                + READY_WITHIN.toSeconds()
                + " s; its log ends:\n"
                + agent.process().logTail());
      }
      if (wishes.awaitEnd(LOOK_EVERY_MILLIS)) {
        return false;
      }
    }
    return true;
  }

  private void tellAddresses(
      Servers servers, AgentProcess agent, InventoryProcess inventory, Workplace workplace) {
    terminal.print(Tone.PLAIN, "");
    address("agent.yml", agent.configuration());
    address("agent's page", agent.page());
    address("agent's log", agent.process().log());
    address("inventory's log", inventory.process().log());
    address(
        "PostgreSQL",
        "postgresql://%s:%s@%s:%d/%s"
            .formatted(
                servers.postgres().superuser(),
                servers.postgres().superuserPassword(),
                servers.postgres().host(),
                servers.postgres().port(),
                Databases.SHOP));
    address("Kafka", servers.kafka().bootstrapServers() + ", topic " + AgentSettings.TOPIC);
    address(
        "all files",
        workplace.directory()
            + (workplace.kept() ? " (kept)" : " (deleted at the end; --keep keeps them)"));
    terminal.print(Tone.PLAIN, "");
  }

  private void address(String name, Object where) {
    terminal.print(Tone.DIM, "  %-16s %s".formatted(name, where));
  }

  private void step(String done) {
    long millis = (System.nanoTime() - startedAt) / 1_000_000;
    terminal.print(Tone.PLAIN, "%6.1f s  %s".formatted(millis / 1_000.0, done));
  }

  private static String versions(Databases databases) {
    return "PostgreSQL %s, Kafka %s, agent %s, Java %s on %s %s with %d processors"
        .formatted(
            databases.serverVersion(),
            AppInfoParser.getVersion(),
            Objects.requireNonNullElse(
                Demonstration.class.getPackage().getImplementationVersion(), "from source"),
            System.getProperty("java.version"),
            System.getProperty("os.name"),
            System.getProperty("os.arch"),
            Runtime.getRuntime().availableProcessors());
  }

  private <T extends AutoCloseable> T started(String name, T part) {
    started.push(new Part(name, part));
    return part;
  }

  /** Ends what was started, last first; one that fails does not keep the others running. */
  @Override
  public void close() {
    if (!started.isEmpty()) {
      terminal.print(Tone.DIM, "stopping everything");
    }
    while (!started.isEmpty()) {
      Part part = started.pop();
      try {
        part.handle().close();
      } catch (Exception e) {
        log.warn("cannot stop {}", part.name(), e);
        terminal.print(Tone.CAUTION, "could not stop " + part.name() + ": " + e);
      }
    }
  }
}
