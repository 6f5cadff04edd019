package io.outboxinbox.agent.event;

import java.util.List;

/**
 * Where an event goes.
 *
 * @param topic allowed and well-formed
 * @param key orders events: same key, same order at the consumer
 * @param headers in sending order; names are unique
 */
public record Destination(String topic, String key, List<Header> headers) {

  /** A message header; the value is UTF-8. */
  public record Header(String name, byte[] value) {}
}
