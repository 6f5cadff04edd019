package io.outboxinbox.quickstart.proof;

/**
 * Names an event by what it says, whatever its id: the n-th change of an order.
 *
 * @param orderId from 1
 * @param version 1 to {@value #VERSIONS}
 */
public record EventKey(long orderId, int version) {
  /** Placed, paid, shipped. */
  public static final int VERSIONS = 3;

  /** Dense from 0, so that a bit is enough to remember an event for ever. */
  int index() {
    return Math.toIntExact((orderId - 1) * VERSIONS + (version - 1));
  }
}
