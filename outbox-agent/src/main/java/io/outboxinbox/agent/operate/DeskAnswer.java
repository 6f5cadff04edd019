package io.outboxinbox.agent.operate;

import java.util.List;
import java.util.Map;

/**
 * What a request came to.
 *
 * @param taken events it now stands at, in order
 * @param leftOut events it could not have, at most some of them, each with the earlier event of its
 *     key that nobody has requested
 * @param leftOutCount how many there are in all
 */
public record DeskAnswer(List<Taken> taken, Map<Long, Long> leftOut, long leftOutCount) {

  /**
   * One event.
   *
   * @param attempts tries to publish it so far; one more after a release that failed
   */
  public record Taken(long ordinal, int attempts) {}
}
