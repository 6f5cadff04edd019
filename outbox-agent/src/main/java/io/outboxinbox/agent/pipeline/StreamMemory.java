package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.park.FloodBreaker;

/** What publishing has learnt in one session and needs in the next. */
record StreamMemory(FloodBreaker breaker, Isolation isolation, BatchSize size) {

  /**
   * Starts with nothing learnt.
   *
   * @param rejectedPerMinute more rejected events than this within a minute are a flood
   */
  static StreamMemory of(int rejectedPerMinute) {
    return new StreamMemory(
        new FloodBreaker(rejectedPerMinute, System::nanoTime),
        new Isolation(),
        new BatchSize(System::nanoTime));
  }

  void beginSession() {
    breaker.beginSession();
  }
}
