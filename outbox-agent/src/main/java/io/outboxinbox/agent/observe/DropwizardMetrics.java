package io.outboxinbox.agent.observe;

import com.codahale.metrics.Counter;
import com.codahale.metrics.Counting;
import com.codahale.metrics.Gauge;
import com.codahale.metrics.Metric;
import com.codahale.metrics.MetricRegistry;
import com.codahale.metrics.Sampling;
import com.codahale.metrics.Snapshot;
import com.codahale.metrics.Timer;
import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import io.prometheus.metrics.model.snapshots.Quantile;
import io.prometheus.metrics.model.snapshots.Quantiles;
import io.prometheus.metrics.model.snapshots.SummarySnapshot;
import org.jspecify.annotations.Nullable;

/** The server's own metrics, such as those of its Java machine and its threads. */
record DropwizardMetrics(MetricRegistry registry) implements MultiCollector {
  private static final double NANOS_PER_SECOND = 1e9;
  private static final double[] QUANTILES = {0.5, 0.95, 0.99};

  @Override
  public MetricSnapshots collect() {
    MetricSnapshots.Builder all = MetricSnapshots.builder();
    registry
        .getMetrics()
        .forEach(
            (name, metric) -> {
              String clean = cleaned(name);
              @Nullable MetricSnapshot snapshot = snapshot(clean, metric);
              if (snapshot != null && !all.containsMetricName(snapshot.getMetadata().getName())) {
                all.metricSnapshot(snapshot);
              }
            });
    return all.build();
  }

  private static @Nullable MetricSnapshot snapshot(String name, Metric metric) {
    if (metric instanceof Gauge<?> gauge) {
      return gauge.getValue() instanceof Number value ? gauge(name, value.doubleValue()) : null;
    }
    if (metric instanceof Sampling sampling && metric instanceof Counting counting) {
      boolean isTimer = metric instanceof Timer;
      return summary(
          isTimer ? name + "_seconds" : name,
          sampling.getSnapshot(),
          counting.getCount(),
          isTimer ? NANOS_PER_SECOND : 1);
    }
    if (metric instanceof Counting counting) {
      // A Counter of Dropwizard may go down, a Meter never does.
      return metric instanceof Counter
          ? gauge(name, (double) counting.getCount())
          : counter(name, (double) counting.getCount());
    }
    return null;
  }

  private static MetricSnapshot gauge(String name, double value) {
    return GaugeSnapshot.builder()
        .name(name)
        .dataPoint(GaugeSnapshot.GaugeDataPointSnapshot.builder().value(value).build())
        .build();
  }

  private static MetricSnapshot counter(String name, double value) {
    return CounterSnapshot.builder()
        .name(name)
        .dataPoint(CounterSnapshot.CounterDataPointSnapshot.builder().value(value).build())
        .build();
  }

  private static MetricSnapshot summary(
      String name, Snapshot snapshot, long count, double divisor) {
    Quantiles.Builder quantiles = Quantiles.builder();
    for (double quantile : QUANTILES) {
      quantiles.quantile(new Quantile(quantile, snapshot.getValue(quantile) / divisor));
    }
    return SummarySnapshot.builder()
        .name(name)
        .dataPoint(
            SummarySnapshot.SummaryDataPointSnapshot.builder()
                .quantiles(quantiles.build())
                .count(count)
                .build())
        .build();
  }

  private static String cleaned(String name) {
    String clean = name.replaceAll("[^a-zA-Z0-9_]", "_");
    return Character.isDigit(clean.charAt(0)) ? "_" + clean : clean;
  }
}
