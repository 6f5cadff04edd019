package io.outboxinbox.agent.route;

import com.fasterxml.jackson.annotation.JsonProperty;
import jakarta.validation.constraints.NotEmpty;
import jakarta.validation.constraints.Pattern;
import java.util.List;
import java.util.Objects;
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
    @JsonProperty(defaultValue = "{aggregate_type}")
        @Pattern(
            regexp = "([a-zA-Z0-9._-]|\\{[^{}]+})+",
            message = "must be of a-z, A-Z, 0-9, '.', '_', '-' and columns in braces")
        String topic,
    @NotEmpty(message = "must name the topics events may go to, such as orders or shop.*")
        List<
                @Pattern(
                    regexp = "[a-zA-Z0-9._*-]{1,249}",
                    message = "must be 1 to 249 of a-z, A-Z, 0-9, '.', '_', '-' and *")
                String>
            allowedTopics,
    @JsonProperty(defaultValue = "{aggregate_id}")
        @NotEmpty(message = "must be text with columns in braces")
        String key,
    @JsonProperty(defaultValue = "cloudevents") HeaderStyle headers,
    @Nullable String ceSource) {

  /** The same with topic, key and topics of its own, where they are given. */
  public RouteConfiguration with(
      @Nullable String otherTopic,
      @Nullable String otherKey,
      @Nullable List<String> otherAllowedTopics) {
    return new RouteConfiguration(
        Objects.requireNonNullElse(otherTopic, topic),
        Objects.requireNonNullElse(otherAllowedTopics, allowedTopics),
        Objects.requireNonNullElse(otherKey, key),
        headers,
        ceSource);
  }

  /** Which header names consumers expect. */
  public enum HeaderStyle {
    /** CloudEvents 1.0, binary mode. */
    CLOUDEVENTS,
    /** {@code id} and {@code eventType}, as Debezium's EventRouter sends them. */
    DEBEZIUM
  }
}
