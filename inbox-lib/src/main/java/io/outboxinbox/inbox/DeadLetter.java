package io.outboxinbox.inbox;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A message that was set aside: because it could not be handled, or because it came behind one of
 * the same key that could not.
 *
 * @param id rises in the order in which the messages of a key came
 * @param key null if it has none; then nothing waits behind it
 * @param messageId null if it has none that could be used
 * @param isAdmitted whether the inbox took the message in when it was set aside. If not, a retry
 *     asks the inbox first
 * @param failure null for one that waits and was not tried yet
 * @param envelope payload and headers; null in lists, which do not read them
 */
public record DeadLetter(
    long id,
    State state,
    String topic,
    int partition,
    long offset,
    Instant sentAt,
    byte @Nullable [] key,
    @Nullable MessageId messageId,
    boolean isAdmitted,
    @Nullable Failure failure,
    Instant createdAt,
    Instant changedAt,
    @Nullable Envelope envelope) {
  private static final int TOPIC_CHARACTERS_MAX = 500;

  /** Why it was set aside. */
  public enum State {
    /** Tried, or refused, and not handled. */
    FAILED("failed"),
    /** Not tried: a message of the same key was in front. */
    WAITING("waiting");

    private final String column;

    State(String column) {
      this.column = column;
    }

    String column() {
      return column;
    }

    static State of(String column) {
      for (State state : values()) {
        if (state.column.equals(column)) {
          return state;
        }
      }
      throw new IllegalStateException("column state of inbox_dead_letter is '" + column + "'");
    }
  }

  /** Where the message lay, for messages and logs; nothing of its content. */
  public String place() {
    return topic + "-" + partition + "@" + offset;
  }

  /** What the inbox has to know of it; a message without id gets one made of its place. */
  Arrival arrival() {
    MessageId id = messageId == null ? placeId(topic, partition, offset, sentAt) : messageId;
    return new Arrival(id, sentAt, null);
  }

  /** An id for a message that has none: the same on every redelivery. */
  static MessageId placeId(String topic, int partition, long offset, Instant sentAt) {
    // Kafka's names of topics are short; those of others must not break the limit of an id.
    String from =
        topic.length() > TOPIC_CHARACTERS_MAX ? DeadLetters.hashOf(topic).toString() : topic;
    return MessageId.of("place:" + from + "-" + partition + "@" + offset + "/" + sentAt);
  }
}
