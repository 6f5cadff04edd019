package io.outboxinbox.testkit;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;

/**
 * A clock that stands still until a test moves it. Any thread may read it, one at a time moves it.
 */
public final class ManualClock extends Clock {
  private final Hand hand;
  private final ZoneId zone;

  private ManualClock(Hand hand, ZoneId zone) {
    this.hand = hand;
    this.zone = zone;
  }

  /** A clock in UTC. */
  public static ManualClock at(Instant start) {
    return new ManualClock(new Hand(start), ZoneOffset.UTC);
  }

  /** Moves the clock; a negative step plays a clock that is set back. */
  public void advance(Duration step) {
    hand.move(hand.position().plus(step));
  }

  public void set(Instant instant) {
    hand.move(instant);
  }

  @Override
  public Instant instant() {
    return hand.position();
  }

  /** The same time in nanoseconds, in the place of {@link System#nanoTime}. */
  public long nanoTime() {
    return Duration.between(Instant.EPOCH, hand.position()).toNanos();
  }

  @Override
  public ZoneId getZone() {
    return zone;
  }

  /** The same time in another zone: both move together. */
  @Override
  public ManualClock withZone(ZoneId other) {
    return new ManualClock(hand, other);
  }

  /** Shared by the clock's views in other zones. */
  private static final class Hand {
    private volatile Instant position;

    Hand(Instant position) {
      this.position = position;
    }

    Instant position() {
      return position;
    }

    void move(Instant to) {
      position = to;
    }
  }
}
