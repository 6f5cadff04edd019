package io.outboxinbox.bench.inbox;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * Measures several ways of doing the same in turn, A B C B C A ..., so that whatever else the
 * machine does meets all of them.
 */
final class Rounds {
  /**
   * One of the ways.
   *
   * @param preparation what each round needs, done before the clock starts
   */
  record Side(String name, Runnable preparation, Round round) {
    Side(String name, Round round) {
      this(name, () -> {}, round);
    }
  }

  /** A part of the work, long enough for a clock. */
  @FunctionalInterface
  interface Round {
    /** Works, and returns the number of messages. */
    long run() throws SQLException;
  }

  private final List<Side> sides;
  private final double[][] perSecond;

  private Rounds(List<Side> sides, double[][] perSecond) {
    this.sides = sides;
    this.perSecond = perSecond;
  }

  /** Runs all sides as often, after some rounds that do not count. */
  static Rounds run(int rounds, List<Side> sides) throws SQLException {
    double[][] perSecond = new double[sides.size()][rounds];
    int unmeasured = 1 + rounds / 10;
    for (int round = -unmeasured; round < rounds; round++) {
      for (int turn = 0; turn < sides.size(); turn++) {
        // The first after a pause of the disk may be luckier than the second: everybody is first.
        int side = Math.floorMod(turn + round, sides.size());
        sides.get(side).preparation().run();
        long begin = System.nanoTime();
        long messages = sides.get(side).round().run();
        double seconds = (System.nanoTime() - begin) / 1e9;
        if (round >= 0) {
          perSecond[side][round] = messages / seconds;
        }
      }
    }
    return new Rounds(sides, perSecond);
  }

  /** The median of the rates. */
  double perSecond(int side) {
    return median(perSecond[side]);
  }

  /** The median of what one side did compared with another in the same round. */
  double ratio(int side, int to) {
    double[] ratios = new double[perSecond[side].length];
    Arrays.setAll(ratios, round -> perSecond[side][round] / perSecond[to][round]);
    return median(ratios);
  }

  void tell(Report report) {
    List<String> lines = new ArrayList<>();
    for (int side = 0; side < sides.size(); side++) {
      double[] sorted = DoubleStream.of(perSecond[side]).sorted().toArray();
      int quarter = sorted.length / 4;
      lines.add(
          String.format(
              "  %-58s %,10.0f messages/s (half of the rounds: %,.0f to %,.0f)",
              sides.get(side).name(),
              perSecond(side),
              sorted[quarter],
              sorted[sorted.length - 1 - quarter]));
    }
    lines.forEach(line -> report.say("%s", line));
  }

  static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
