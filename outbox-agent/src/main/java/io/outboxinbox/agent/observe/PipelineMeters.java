package io.outboxinbox.agent.observe;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.time.Clock;
import java.time.Instant;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** The metrics of one pipeline. Each is asked for its value when somebody looks. */
final class PipelineMeters {
  static final String PREFIX = "outbox_agent_";
  private static final double MILLIS_PER_SECOND = 1e3;

  private final MeterRegistry registry;
  private final ObservedPipeline pipeline;
  private final String name;

  private PipelineMeters(MeterRegistry registry, ObservedPipeline pipeline) {
    this.registry = registry;
    this.pipeline = pipeline;
    this.name = pipeline.status().name();
  }

  /** Registers them all. */
  static void register(MeterRegistry registry, ObservedPipeline pipeline, Clock clock) {
    PipelineMeters meters = new PipelineMeters(registry, pipeline);
    meters.states(clock);
    meters.stream();
    meters.parked();
    meters.wal();
    meters.handover();
    meters.retention();
  }

  private void states(Clock clock) {
    Gauge.builder(PREFIX + "ready", pipeline, p -> p.look(clock.instant()).isReady() ? 1 : 0)
        .description("1 when the pipeline publishes or stands by to")
        .tag("pipeline", name)
        .strongReference(true)
        .register(registry);
    for (State state : State.values()) {
      Gauge.builder(PREFIX + "state", pipeline, p -> p.status().state() == state ? 1 : 0)
          .description("1 for the state the pipeline is in")
          .tags("pipeline", name, "state", state.name())
          .strongReference(true)
          .register(registry);
    }
    gauge("leader", "1 when this agent publishes", status -> status.leader() ? 1 : 0);
    counter("restarts_total", "Fresh starts after a failure", PipelineStatus::restarts);
  }

  private void stream() {
    counter(
        "events_published_total",
        "Events published by this process",
        PipelineStatus::eventsPublished);
    gauge(
        "last_sequence",
        "Sequence number of the last event published",
        PipelineStatus::lastSequence);
    gauge("epoch", "Epoch of the sequence", PipelineStatus::epoch);
    gauge(
        "capture_latency_seconds",
        "Time of the last pulse through the log",
        status -> status.captureLatencyMillis() / MILLIS_PER_SECOND);
    gauge(
        "last_pulse_timestamp_seconds",
        "When a pulse last came back, 0 for never",
        status -> seconds(status.lastPulseAt()));
    gauge(
        "last_publish_timestamp_seconds",
        "When a batch was last made durable, 0 for never",
        status -> seconds(status.lastPublishAt()));
    gauge(
        "hidden_seconds",
        "How long a partition's last stable offset has stood still before its end",
        PipelineStatus::hiddenSeconds);
  }

  private void parked() {
    gauge(
        "parked_waiting",
        "Parked events not settled yet, -1 if not known",
        PipelineStatus::parkedWaiting);
    gauge(
        "parked_keys", "Keys held by a parked event, -1 if not known", PipelineStatus::parkedKeys);
    gauge(
        "parked_oldest_timestamp_seconds",
        "When the event waiting longest was parked, 0 for none",
        status -> seconds(status.parkedOldestAt()));
    counter("parked_total", "Events parked by this process", PipelineStatus::parkedTotal);
    counter(
        "released_total", "Parked events published by this process", PipelineStatus::releasedTotal);
  }

  private void wal() {
    gauge(
        "retained_wal_bytes",
        "Log held back by the slot, -1 if not known",
        PipelineStatus::retainedWalBytes);
    gauge(
        "wal_budget_used_ratio",
        "Part of the allowed log that the slot holds back, -1 without a limit",
        status -> status.wal().usedRatio());
    gauge(
        "wal_seconds_left",
        "Time until the limit at the growth of the last minutes, -1 while it does not grow",
        status -> status.wal().secondsLeft());
    gauge(
        "wal_growth_bytes_per_second",
        "Growth of the log held back",
        status -> status.wal().growthBytesPerSecond());
    gauge(
        "oldest_transaction_seconds",
        "At least so long has the server's oldest transaction been open; it holds log back",
        status -> status.wal().oldestTransactionSeconds());
  }

  private void handover() {
    counter(
        "takeovers_total",
        "How often this agent began to publish",
        status -> status.handover().takeovers());
    gauge(
        "takeover_seconds",
        "Last time: from the last sign of life of the leader before until the log was read",
        status -> status.handover().takeoverSeconds());
    gauge(
        "stall_seconds",
        "Last time: how long that leader had stalled when it was replaced, 0 if it had gone",
        status -> status.handover().stallSeconds());
    counter(
        "rows_skipped_total",
        "Rows the log brought again that were published already, so not published twice",
        status -> status.handover().rowsSkipped());
  }

  private void retention() {
    counter(
        "partitions_dropped_total",
        "Old partitions dropped by this process",
        status -> status.retention().partitionsDropped());
    gauge(
        "oldest_partition_timestamp_seconds",
        "Day of the oldest partition when retention last looked, 0 for never",
        status -> seconds(status.retention().oldestKept()));
    gauge(
        "retention_blocked",
        "1 when a partition that is old enough had to stay",
        status -> status.retention().why().isEmpty() ? 0 : 1);
  }

  private void gauge(String metric, String help, ToDoubleFunction<PipelineStatus> value) {
    Gauge.builder(PREFIX + metric, pipeline, p -> value.applyAsDouble(p.status()))
        .description(help)
        .tag("pipeline", name)
        .strongReference(true)
        .register(registry);
  }

  private void counter(String metric, String help, ToDoubleFunction<PipelineStatus> value) {
    FunctionCounter.builder(PREFIX + metric, pipeline, p -> value.applyAsDouble(p.status()))
        .description(help)
        .tag("pipeline", name)
        .register(registry);
  }

  private static double seconds(@Nullable Instant moment) {
    return moment == null ? 0 : moment.toEpochMilli() / MILLIS_PER_SECOND;
  }
}
