package io.outboxinbox.agent.event;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an event and a row that may be none have in common. Where one belongs hangs on this alone;
 * an event has all but table's name and topic for certain.
 */
public sealed interface OutboxRow permits OutboxEvent, RawRow {
  @Nullable String table();

  @Nullable String id();

  @Nullable String aggregateType();

  @Nullable String aggregateId();

  @Nullable String eventType();

  /** Its own topic; null when the route decides. */
  @Nullable String topic();

  Map<String, String> extra();
}
