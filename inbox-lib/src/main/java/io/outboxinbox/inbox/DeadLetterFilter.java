package io.outboxinbox.inbox;

import io.outboxinbox.inbox.DeadLetter.State;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * Which dead letters of a consumer are meant; every part that is set must fit. Begin with {@link
 * #all()} and narrow it down.
 *
 * @param reason exactly what {@link Failure#reason()} says
 * @param createdFrom when it was set aside, or later
 * @param createdBefore earlier than this
 */
public record DeadLetterFilter(
    @Nullable String topic,
    byte @Nullable [] key,
    @Nullable State state,
    @Nullable String reason,
    @Nullable MessageId messageId,
    @Nullable Instant createdFrom,
    @Nullable Instant createdBefore) {
  private static final DeadLetterFilter ALL =
      new DeadLetterFilter(null, null, null, null, null, null, null);

  /** Everything the consumer has set aside. */
  public static DeadLetterFilter all() {
    return ALL;
  }

  public DeadLetterFilter ofTopic(String name) {
    return new DeadLetterFilter(name, key, state, reason, messageId, createdFrom, createdBefore);
  }

  /** Those of a record key, which only means something within a topic. */
  public DeadLetterFilter ofKey(String topicName, byte[] recordKey) {
    return new DeadLetterFilter(
        topicName, recordKey, state, reason, messageId, createdFrom, createdBefore);
  }

  public DeadLetterFilter inState(State wanted) {
    return new DeadLetterFilter(topic, key, wanted, reason, messageId, createdFrom, createdBefore);
  }

  public DeadLetterFilter withReason(String exactly) {
    return new DeadLetterFilter(topic, key, state, exactly, messageId, createdFrom, createdBefore);
  }

  /** Those of an id; of one that is no UUID, whichever source it comes from. */
  public DeadLetterFilter ofMessage(MessageId id) {
    return new DeadLetterFilter(topic, key, state, reason, id, createdFrom, createdBefore);
  }

  /** Set aside at {@code from} or later, and before {@code before}. */
  public DeadLetterFilter createdBetween(Instant from, Instant before) {
    return new DeadLetterFilter(topic, key, state, reason, messageId, from, before);
  }
}
