package io.outboxinbox.agent.replay;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class PaceTest {
  private final AtomicLong nanos = new AtomicLong(123);

  @Test
  void keepsTheRateOverTime() {
    Pace pace = new Pace(500, nanos::get);
    long begun = nanos.get();
    int events = 0;
    while (events < 5_000) {
      nanos.addAndGet(pace.waitBefore(pace.portion()));
      events += pace.portion();
    }
    assertThat(nanos.get() - begun)
        .isBetween(TimeUnit.MILLISECONDS.toNanos(9_800), TimeUnit.SECONDS.toNanos(10));
  }

  @Test
  void doesNotMakeUpForAPause() {
    Pace pace = new Pace(10, nanos::get);
    assertThat(pace.portion()).isEqualTo(1);
    pace.waitBefore(1);
    nanos.addAndGet(TimeUnit.MINUTES.toNanos(5));
    assertThat(pace.waitBefore(1)).isZero();
    assertThat(pace.waitBefore(1)).isEqualTo(TimeUnit.MILLISECONDS.toNanos(100));
  }
}
