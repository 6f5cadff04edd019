package io.outboxinbox.agent.observe;

import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A pipeline as seen from here.
 *
 * @param source asked anew for each answer, from any thread; must not block
 * @param pulseLimit a leader whose pulse is older than this is not ready
 * @param parked connects to the database for one answer; may block for seconds
 */
public record ObservedPipeline(
    Supplier<PipelineStatus> source, Duration pulseLimit, Supplier<ParkedDesk> parked) {

  /** Producers hold events back for moments all the time; see decision 8. */
  private static final Duration HIDDEN_MAX = Duration.ofMinutes(2);

  private static final Duration TRANSACTION_MAX = Duration.ofHours(1);

  /**
   * What a pipeline looked like at one moment, and what is to be said of it.
   *
   * @param problem why it is not ready; empty if it is
   * @param warnings what makes no agent unready, because another would have it too, but has to be
   *     seen to
   */
  record Seen(PipelineStatus status, String problem, List<String> warnings) {
    boolean isReady() {
      return problem.isEmpty();
    }

    /** State and problem, for one line. */
    String line() {
      if (!isReady()) {
        return problem;
      }
      String leader =
          status.state() == State.STANDBY && !status.ledBy().isEmpty()
              ? ", %s leads".formatted(status.ledBy())
              : "";
      return "%s since %s%s".formatted(status.state(), seconds(status.since()), leader);
    }
  }

  PipelineStatus status() {
    return source.get();
  }

  ParkedDesk openDesk() {
    return parked.get();
  }

  Seen look(Instant now) {
    PipelineStatus status = status();
    return new Seen(status, problem(status, now), warnings(status));
  }

  /** In whole seconds: nobody reads more digits. */
  private static Instant seconds(Instant moment) {
    return moment.truncatedTo(ChronoUnit.SECONDS);
  }

  /** Why the pipeline is not ready; empty if it is. A standby is ready: to take over. */
  private String problem(PipelineStatus status, Instant now) {
    if (status.state() == State.STANDBY) {
      return "";
    }
    if (status.state() != State.LEADING) {
      String reason = status.reason().isEmpty() ? "" : ": " + status.reason();
      return "%s since %s%s".formatted(status.state(), seconds(status.since()), reason);
    }
    // Until the first pulse is back, the time since it began to lead counts.
    @Nullable Instant pulse = status.lastPulseAt();
    Instant lastSign = pulse == null || pulse.isBefore(status.since()) ? status.since() : pulse;
    Duration age = Duration.between(lastSign, now);
    return age.compareTo(pulseLimit) <= 0
        ? ""
        : "LEADING, but no pulse came back through the log for %d s (limit %d s): the stream stalls"
            .formatted(age.toSeconds(), pulseLimit.toSeconds());
  }

  private static List<String> warnings(PipelineStatus status) {
    List<String> warnings = new ArrayList<>();
    if (status.state() == State.LEADING && !status.reason().isEmpty()) {
      warnings.add(status.reason());
    }
    if (status.parkedWaiting() > 0) {
      @Nullable Instant oldest = status.parkedOldestAt();
      warnings.add(
          "parked events: %d, keys they hold: %d%s; see /parked"
              .formatted(
                  status.parkedWaiting(),
                  status.parkedKeys(),
                  oldest == null ? "" : ", the oldest since " + seconds(oldest)));
    }
    if (status.hiddenSeconds() > HIDDEN_MAX.toSeconds()) {
      warnings.add(
          "a transaction that does not end has held events of a partition back from consumers for %d s"
              .formatted((long) status.hiddenSeconds()));
    }
    if (!status.wal().warning().isEmpty()) {
      warnings.add(status.wal().warning());
    }
    if (status.wal().oldestTransactionSeconds() > TRANSACTION_MAX.toSeconds()) {
      warnings.add(
          "the oldest transaction of the database server has been open for %d s and keeps its log"
              .formatted((long) status.wal().oldestTransactionSeconds()));
    }
    if (!status.retention().warning().isEmpty()) {
      warnings.add(status.retention().warning());
    }
    return List.copyOf(warnings);
  }
}
