package io.outboxinbox.agent.observe;

import io.outboxinbox.agent.park.ParkedDesk;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.time.Duration;
import java.time.Instant;
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

  PipelineStatus status() {
    return source.get();
  }

  ParkedDesk openDesk() {
    return parked.get();
  }

  /** Why the pipeline is not ready; empty if it is. A standby is ready: to take over. */
  String problem(PipelineStatus status, Instant now) {
    if (status.state() == State.STANDBY) {
      return "";
    }
    if (status.state() != State.LEADING) {
      String reason = status.reason().isEmpty() ? "" : ": " + status.reason();
      return status.state() + " since " + status.since() + reason;
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
}
