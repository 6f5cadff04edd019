package io.outboxinbox.agent.route;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Block {@code route}: topic, key and headers of a message.
 *
 * @param topic template over the row's columns, such as {@code shop.{aggregate_type}}; a row's own
 *     topic wins
 * @param allowedTopics names or patterns with {@code *}; an event for any other topic is rejected
 * @param key template; the default keeps order per aggregate
 * @param headers message contract
 * @param ceSource value of {@code ce_source}; null for {@code /pipeline-name}
 */
public record RouteConfiguration(
    String topic,
    List<String> allowedTopics,
    String key,
    HeaderStyle headers,
    @Nullable String ceSource) {

  /** Which header names consumers expect. */
  public enum HeaderStyle {
    /** CloudEvents 1.0, binary mode. */
    CLOUDEVENTS,
    /** {@code id} and {@code eventType}, as Debezium's EventRouter sends them. */
    DEBEZIUM
  }
}
