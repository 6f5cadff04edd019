package io.outboxinbox.agent.pipeline;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How long to wait after a failure, and whether it is worth a line in the log. It never decides
 * whether to go on: that is always safe. Used by one thread.
 */
final class Recovery {
  private final Backoff backoff;
  private final Duration provenAfter;
  private @Nullable String lastTold;

  /**
   * Makes one without a history.
   *
   * @param provenAfter having led for this long counts as having worked, even with nothing to do
   */
  Recovery(Backoff backoff, Duration provenAfter) {
    this.backoff = backoff;
    this.provenAfter = provenAfter;
  }

  /**
   * What to do next.
   *
   * @param isNews false when the line would only repeat the one before: the same trouble for hours
   *     is one line, not thousands
   */
  record Step(Duration pause, boolean isNews) {}

  /**
   * Takes note that the pipeline led before it failed in a way that passes. The same trouble is
   * news again then; the wait starts small again only if the pipeline has worked, or a failure that
   * comes at each beginning would be met without any pause.
   */
  void led(Duration ledFor, boolean hasPublished) {
    lastTold = null;
    if (hasPublished || ledFor.compareTo(provenAfter) >= 0) {
      backoff.reset();
    }
  }

  Step after(String message) {
    boolean isNews = !message.equals(lastTold);
    lastTold = message;
    return new Step(backoff.next(), isNews);
  }
}
