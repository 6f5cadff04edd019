package io.outboxinbox.e2e.rig;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.awaitility.Awaitility;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Does damage at random moments, as often as planned. Runs on the thread that calls it. */
public final class Chaos {
  private static final Logger LOG = LoggerFactory.getLogger(Chaos.class);

  /** One kind of damage. */
  public enum Verb {
    /** kill -9 of the agent, started again at once. */
    KILL_AGENT,
    /** pg_terminate_backend on the session that streams the log. */
    KILL_WALSENDER,
    /** An orderly stop of PostgreSQL, which breaks every session. */
    STOP_DATABASE,
    /** kill -9 of PostgreSQL: crash recovery, and a slot as of the last checkpoint. */
    KILL_DATABASE,
    STOP_BROKER,
    KILL_BROKER
  }

  private record Moment(long nanos, Verb verb) {}

  private static final Duration WALSENDER_BACK_WITHIN = Duration.ofSeconds(90);
  private static final Duration PUBLISHED_WITHIN = Duration.ofMinutes(2);
  private static final int BURST_ROWS_MIN = 5_000;
  private static final int BURST_ROWS_MAX = 20_000;
  private static final int AFTER_BURST_MILLIS_MAX = 50;
  private static final int DOWN_MILLIS_MAX = 3_000;
  private static final int BETWEEN_CYCLES_MILLIS_MAX = 1_000;

  /** This many of a hundred kills are followed by the next before the agent publishes again. */
  private static final int INTO_RECOVERY_PERCENT = 20;

  private static final int INTO_RECOVERY_MILLIS_MAX = 5_000;

  private final Stage stage;
  private final SourceDatabase database;
  private final LedgerRun run;
  private final AgentProcess agent;
  private final SplittableRandom random;
  private final Map<Verb, Integer> done = new EnumMap<>(Verb.class);
  private final Map<Verb, List<Duration>> recoveries = new EnumMap<>(Verb.class);

  public Chaos(Stage stage, SourceDatabase database, LedgerRun run, AgentProcess agent, long seed) {
    this.stage = stage;
    this.database = database;
    this.run = run;
    this.agent = agent;
    this.random = new SplittableRandom(seed);
  }

  /**
   * Spreads the damage over the duration and does it. Takes longer when a victim is slow to come
   * back.
   */
  public void run(Duration duration, Map<Verb, Integer> plan) throws InterruptedException {
    long start = System.nanoTime();
    for (Moment moment : moments(duration, plan)) {
      TimeUnit.NANOSECONDS.sleep(start + moment.nanos() - System.nanoTime());
      harm(moment.verb());
      done.merge(moment.verb(), 1, Integer::sum);
    }
    TimeUnit.NANOSECONDS.sleep(start + duration.toNanos() - System.nanoTime());
  }

  /**
   * Does damage again and again, each time after the agent has published anew, but for a part that
   * falls into the recovery from the one before.
   *
   * @param cycles how often
   * @param weights how often each kind, in relation to the others
   */
  public void runCycles(int cycles, Map<Verb, Integer> weights) throws InterruptedException {
    for (int i = 0; i < cycles; i++) {
      Verb verb = pick(weights);
      harm(verb);
      done.merge(verb, 1, Integer::sum);
      Stopwatch sinceDamage = Stopwatch.start();
      if (random.nextInt(100) < INTO_RECOVERY_PERCENT) {
        TimeUnit.MILLISECONDS.sleep(random.nextInt(INTO_RECOVERY_MILLIS_MAX));
        continue;
      }
      run.reader().await(run.writeMarker().entries().get(0).id(), PUBLISHED_WITHIN);
      recoveries.computeIfAbsent(verb, v -> new ArrayList<>()).add(sinceDamage.elapsed());
      TimeUnit.MILLISECONDS.sleep(random.nextInt(BETWEEN_CYCLES_MILLIS_MAX));
    }
  }

  private Verb pick(Map<Verb, Integer> weights) {
    int left = random.nextInt(weights.values().stream().mapToInt(Integer::intValue).sum());
    for (Map.Entry<Verb, Integer> weight : weights.entrySet()) {
      left -= weight.getValue();
      if (left < 0) {
        return weight.getKey();
      }
    }
    throw new IllegalStateException("no kind of damage in " + weights);
  }

  /** How long it took until an event written after the damage was published, by kind. */
  public void reportRecoveries(Report report) {
    recoveries.forEach(
        (verb, times) -> {
          times.sort(null);
          report.line(
              "%s: published again after %s (median), %s (longest)",
              word(verb),
              Report.seconds(times.get(times.size() / 2)),
              Report.seconds(times.get(times.size() - 1)));
        });
  }

  private List<Moment> moments(Duration duration, Map<Verb, Integer> plan) {
    List<Moment> moments = new ArrayList<>();
    plan.forEach(
        (verb, times) -> {
          for (int i = 0; i < times; i++) {
            moments.add(new Moment(random.nextLong(duration.toNanos()), verb));
          }
        });
    moments.sort(Comparator.comparingLong(Moment::nanos));
    return moments;
  }

  private void harm(Verb verb) throws InterruptedException {
    LOG.info("{}", verb);
    if (verb == Verb.KILL_AGENT || verb == Verb.KILL_WALSENDER) {
      maybeBurst();
    }
    switch (verb) {
      case KILL_AGENT -> {
        agent.kill();
        agent.start();
      }
      case KILL_WALSENDER -> killWalsender();
      case STOP_DATABASE -> {
        stage.postgres().stop();
        stayDown();
        stage.postgres().startAgain();
      }
      case KILL_DATABASE -> {
        stage.postgres().killPostmaster();
        stayDown();
        stage.postgres().startAgain();
      }
      case STOP_BROKER -> {
        stage.kafka().stop();
        stayDown();
        stage.kafka().startAgain();
      }
      case KILL_BROKER -> {
        stage.kafka().kill();
        stayDown();
        stage.kafka().startAgain();
      }
    }
  }

  /**
   * Half of the kills fall into the publishing of a large transaction, when its first events are
   * visible and the next are on their way; the rest fall anywhere, also into a start.
   */
  private void maybeBurst() throws InterruptedException {
    if (random.nextBoolean()) {
      Transaction burst = run.writeBurst(random.nextInt(BURST_ROWS_MIN, BURST_ROWS_MAX));
      run.reader().await(burst.entries().get(0).id(), PUBLISHED_WITHIN);
      TimeUnit.MILLISECONDS.sleep(random.nextInt(AFTER_BURST_MILLIS_MAX));
    }
  }

  private void stayDown() throws InterruptedException {
    TimeUnit.MILLISECONDS.sleep(random.nextInt(DOWN_MILLIS_MAX));
  }

  /** Only a session that is there counts; one that does not come back is a fault of the agent. */
  private void killWalsender() {
    Awaitility.await("the agent streams again")
        .atMost(WALSENDER_BACK_WITHIN)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(20))
        .until(this::terminated);
  }

  private boolean terminated() throws SQLException {
    return database.terminateWalsender();
  }

  /** How often each kind of damage was done. */
  @Override
  public String toString() {
    return done.entrySet().stream()
        .map(entry -> entry.getValue() + " x " + word(entry.getKey()))
        .collect(Collectors.joining(", "));
  }

  private static String word(Verb verb) {
    return verb.name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }
}
