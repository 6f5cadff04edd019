package io.outboxinbox.quickstart.proof;

import org.HdrHistogram.Histogram;

/**
 * Latencies at one moment.
 *
 * @param interval commit to consumer in the interval under way, everything included
 * @param received commit to consumer, steady state only
 * @param applied commit to committed effect, steady state only
 * @param recoveries from a kill of the agent until the backlog was gone
 * @param leftOut events that are not in {@code received} because they were not steady state
 */
public record LatencyReport(
    Figures interval, Figures received, Figures applied, Figures recoveries, long leftOut) {

  /** All zero if nothing was measured. */
  public record Figures(long count, double p50Millis, double p99Millis, double maxMillis) {

    static Figures of(Histogram micros) {
      return new Figures(
          micros.getTotalCount(),
          micros.getValueAtPercentile(50) / 1_000.0,
          micros.getValueAtPercentile(99) / 1_000.0,
          micros.getMaxValue() / 1_000.0);
    }
  }
}
