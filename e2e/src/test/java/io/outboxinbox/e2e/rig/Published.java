package io.outboxinbox.e2e.rig;

import java.util.UUID;

/**
 * One message as a consumer received it.
 *
 * @param payloadHash stands for the payload, which would only fill the heap
 * @param partition of the topic
 * @param sequence place in the order the agent published in, from its header
 * @param arrivedNanos when the consumer's poll returned it, by {@link System#nanoTime}
 */
public record Published(
    UUID id,
    String key,
    int payloadHash,
    int partition,
    long offset,
    long epoch,
    long sequence,
    long arrivedNanos) {

  String place() {
    return "partition "
        + partition
        + " offset "
        + offset
        + " epoch "
        + epoch
        + " sequence "
        + sequence;
  }
}
