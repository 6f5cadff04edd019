package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.park.FloodBreaker;

/** What publishing has learnt in one session and needs in the next. */
public record StreamMemory(FloodBreaker breaker, Isolation isolation, BatchSize size) {

  /**
   * Starts with nothing learnt.
   *
   * @param rejectedPerMinute more rejected events than this within a minute are a flood
   */
  public static StreamMemory of(int rejectedPerMinute) {
    return new StreamMemory(
        new FloodBreaker(rejectedPerMinute, System::nanoTime),
        new Isolation(),
        new BatchSize(System::nanoTime));
  }

  public void beginSession() {
    breaker.beginSession();
  }
}
