package io.outboxinbox.agent.observe;

import com.codahale.metrics.Counter;
import com.codahale.metrics.Counting;
import com.codahale.metrics.Gauge;
import com.codahale.metrics.Metric;
import com.codahale.metrics.MetricRegistry;
import com.codahale.metrics.Sampling;
import com.codahale.metrics.Snapshot;
import com.codahale.metrics.Timer;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.time.Clock;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Writes metrics in Prometheus' text format 0.0.4. By hand: the format is a few rules, a client
 * library would bring a registry of its own.
 */
final class PrometheusText {
  private static final String PREFIX = "outbox_agent_";
  private static final double MILLIS_PER_SECOND = 1e3;
  private static final double NANOS_PER_SECOND = 1e9;
  private static final double[] QUANTILES = {0.5, 0.95, 0.99};

  private static final String GAUGE = "gauge";
  private static final String COUNTER = "counter";

  /** In the order they are written. */
  private static final Map<Family, ToDoubleFunction<PipelineStatus>> FAMILIES =
      new LinkedHashMap<>();

  static {
    FAMILIES.put(
        new Family("leader", GAUGE, "1 when this agent publishes"),
        status -> status.leader() ? 1 : 0);
    FAMILIES.put(
        new Family("events_published_total", COUNTER, "Events published by this process"),
        PipelineStatus::eventsPublished);
    FAMILIES.put(
        new Family("last_sequence", GAUGE, "Sequence number of the last event published"),
        PipelineStatus::lastSequence);
    FAMILIES.put(new Family("epoch", GAUGE, "Epoch of the sequence"), PipelineStatus::epoch);
    FAMILIES.put(
        new Family("capture_latency_seconds", GAUGE, "Time of the last pulse through the log"),
        status -> status.captureLatencyMillis() / MILLIS_PER_SECOND);
    FAMILIES.put(
        new Family(
            "last_pulse_timestamp_seconds", GAUGE, "When a pulse last came back, 0 for never"),
        status -> seconds(status.lastPulseAt()));
    FAMILIES.put(
        new Family(
            "last_publish_timestamp_seconds",
            GAUGE,
            "When a batch was last made durable, 0 for never"),
        status -> seconds(status.lastPublishAt()));
    FAMILIES.put(
        new Family("retained_wal_bytes", GAUGE, "Log held back by the slot, -1 if not known"),
        PipelineStatus::retainedWalBytes);
    FAMILIES.put(
        new Family("restarts_total", COUNTER, "Fresh starts after a failure"),
        PipelineStatus::restarts);
    putParked();
    putWal();
    putHandover();
    putRetention();
  }

  private static void putParked() {
    FAMILIES.put(
        new Family("parked_waiting", GAUGE, "Parked events not settled yet, -1 if not known"),
        PipelineStatus::parkedWaiting);
    FAMILIES.put(
        new Family("parked_keys", GAUGE, "Keys held by a parked event, -1 if not known"),
        PipelineStatus::parkedKeys);
    FAMILIES.put(
        new Family(
            "parked_oldest_timestamp_seconds",
            GAUGE,
            "When the event waiting longest was parked, 0 for none"),
        status -> seconds(status.parkedOldestAt()));
    FAMILIES.put(
        new Family("parked_total", COUNTER, "Events parked by this process"),
        PipelineStatus::parkedTotal);
    FAMILIES.put(
        new Family("released_total", COUNTER, "Parked events published by this process"),
        PipelineStatus::releasedTotal);
  }

  private static void putWal() {
    FAMILIES.put(
        new Family(
            "wal_budget_used_ratio",
            GAUGE,
            "Part of the allowed log that the slot holds back, -1 without a limit"),
        status -> status.wal().usedRatio());
    FAMILIES.put(
        new Family(
            "wal_seconds_left",
            GAUGE,
            "Time until the limit at the growth of the last minutes, -1 while it does not grow"),
        status -> status.wal().secondsLeft());
    FAMILIES.put(
        new Family("wal_growth_bytes_per_second", GAUGE, "Growth of the log held back"),
        status -> status.wal().growthBytesPerSecond());
    FAMILIES.put(
        new Family(
            "oldest_transaction_seconds",
            GAUGE,
            "At least so long has the server's oldest transaction been open; it holds log back"),
        status -> status.wal().oldestTransactionSeconds());
  }

  private static void putHandover() {
    FAMILIES.put(
        new Family(
            "hidden_seconds",
            GAUGE,
            "How long a partition's last stable offset has stood still before its end"),
        PipelineStatus::hiddenSeconds);
    FAMILIES.put(
        new Family("takeovers_total", COUNTER, "How often this agent began to publish"),
        status -> status.handover().takeovers());
    FAMILIES.put(
        new Family(
            "takeover_seconds",
            GAUGE,
            "Last time: from the last sign of life of the leader before until the log was read"),
        status -> status.handover().takeoverSeconds());
    FAMILIES.put(
        new Family(
            "stall_seconds",
            GAUGE,
            "Last time: how long that leader had stalled when it was replaced, 0 if it had gone"),
        status -> status.handover().stallSeconds());
    FAMILIES.put(
        new Family(
            "rows_skipped_total",
            COUNTER,
            "Rows the log brought again that were published already, so not published twice"),
        status -> status.handover().rowsSkipped());
  }

  private static void putRetention() {
    FAMILIES.put(
        new Family("partitions_dropped_total", COUNTER, "Old partitions dropped by this process"),
        status -> status.retention().partitionsDropped());
    FAMILIES.put(
        new Family(
            "oldest_partition_timestamp_seconds",
            GAUGE,
            "Day of the oldest partition when retention last looked, 0 for never"),
        status -> seconds(status.retention().oldestKept()));
    FAMILIES.put(
        new Family("retention_blocked", GAUGE, "1 when a partition that is old enough had to stay"),
        status -> status.retention().why().isEmpty() ? 0 : 1);
  }

  private final RunningAgent agent;
  private final List<ObservedPipeline> pipelines;
  private final MetricRegistry registry;
  private final Clock clock;

  /** A name with its type and meaning; one value per pipeline. */
  private record Family(String name, String type, String help) {}

  PrometheusText(
      RunningAgent agent, List<ObservedPipeline> pipelines, MetricRegistry registry, Clock clock) {
    this.agent = agent;
    this.pipelines = List.copyOf(pipelines);
    this.registry = registry;
    this.clock = clock;
  }

  String render() {
    StringBuilder out = new StringBuilder(8192);
    header(out, PREFIX + "info", GAUGE, "1, with the version of this agent");
    out.append("%sinfo{version=\"%s\"} 1\n".formatted(PREFIX, agent.version()));
    appendPipelines(out);
    registry.getMetrics().forEach((name, metric) -> appendMetric(out, cleaned(name), metric));
    return out.toString();
  }

  private void appendPipelines(StringBuilder out) {
    Instant now = clock.instant();
    Map<PipelineStatus, Boolean> seen = new LinkedHashMap<>();
    pipelines.forEach(
        pipeline -> {
          ObservedPipeline.Seen look = pipeline.look(now);
          seen.put(look.status(), look.isReady());
        });
    List<PipelineStatus> all = List.copyOf(seen.keySet());
    append(
        out,
        all,
        new Family("ready", GAUGE, "1 when the pipeline publishes or stands by to"),
        status -> seen.getOrDefault(status, false) ? 1 : 0);
    appendStates(out, all);
    FAMILIES.forEach((family, value) -> append(out, all, family, value));
  }

  private static void appendStates(StringBuilder out, List<PipelineStatus> all) {
    header(out, PREFIX + "state", GAUGE, "1 for the state the pipeline is in");
    for (PipelineStatus status : all) {
      for (State state : State.values()) {
        out.append(
            "%sstate{pipeline=\"%s\",state=\"%s\"} %d\n"
                .formatted(PREFIX, status.name(), state, status.state() == state ? 1 : 0));
      }
    }
  }

  private static void append(
      StringBuilder out,
      List<PipelineStatus> all,
      Family family,
      ToDoubleFunction<PipelineStatus> value) {
    header(out, PREFIX + family.name(), family.type(), family.help());
    for (PipelineStatus status : all) {
      // Names of pipelines need no escaping: the configuration allows nothing that would.
      out.append(PREFIX)
          .append(family.name())
          .append("{pipeline=\"")
          .append(status.name())
          .append("\"} ");
      out.append(number(value.applyAsDouble(status))).append('\n');
    }
  }

  private static double seconds(@Nullable Instant moment) {
    return moment == null ? 0 : moment.toEpochMilli() / MILLIS_PER_SECOND;
  }

  private static void appendMetric(StringBuilder out, String name, Metric metric) {
    if (metric instanceof Gauge<?> gauge) {
      if (gauge.getValue() instanceof Number value) {
        header(out, name, GAUGE, "");
        out.append(name).append(' ').append(number(value.doubleValue())).append('\n');
      }
    } else if (metric instanceof Sampling sampling && metric instanceof Counting counting) {
      boolean isTimer = metric instanceof Timer;
      appendSummary(
          out,
          isTimer ? name + "_seconds" : name,
          sampling.getSnapshot(),
          counting.getCount(),
          isTimer ? NANOS_PER_SECOND : 1);
    } else if (metric instanceof Counting counting) {
      // A Counter of Dropwizard may go down, a Meter never does.
      boolean mayFall = metric instanceof Counter;
      String full = mayFall ? name : name + "_total";
      header(out, full, mayFall ? GAUGE : COUNTER, "");
      out.append(full).append(' ').append(counting.getCount()).append('\n');
    }
  }

  private static void appendSummary(
      StringBuilder out, String name, Snapshot snapshot, long count, double divisor) {
    header(out, name, "summary", "");
    for (double quantile : QUANTILES) {
      out.append(name).append("{quantile=\"").append(quantile).append("\"} ");
      out.append(number(snapshot.getValue(quantile) / divisor)).append('\n');
    }
    out.append(name).append("_count ").append(count).append('\n');
  }

  private static void header(StringBuilder out, String name, String type, String help) {
    if (!help.isEmpty()) {
      out.append("# HELP ").append(name).append(' ').append(help).append('\n');
    }
    out.append("# TYPE ").append(name).append(' ').append(type).append('\n');
  }

  /** Whole numbers without a fraction, as people expect counts. */
  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : Double.toString(value);
  }

  private static String cleaned(String name) {
    String clean = name.replaceAll("[^a-zA-Z0-9_]", "_");
    return Character.isDigit(clean.charAt(0)) ? "_" + clean : clean;
  }
}
