package io.outboxinbox.agent.publish;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads committed messages of a broker once, without their payloads, up to where they ended when it
 * was opened. Used by one thread, which closes it.
 */
public interface PublishedSearch extends AutoCloseable {

  /**
   * A message that carries an event's id.
   *
   * @param table whose id it is; null where messages do not say
   * @param sourceId identifies who published it; null where messages do not say
   * @param source name of who published it; null where messages do not say
   * @param sequence as the message has it; null if it has none
   * @param publishedAt the broker's time of the message
   * @param key null where the topic keeps every message, whatever its key
   */
  record PublishedEvent(
      String id,
      @Nullable String table,
      @Nullable String sourceId,
      @Nullable String source,
      @Nullable String sequence,
      String topic,
      int partition,
      long offset,
      Instant publishedAt,
      byte @Nullable [] key) {}

  /** Whether everything has been read. */
  boolean isDone();

  /**
   * Reads on for a moment.
   *
   * @return a few thousand at most; none is no sign of the end
   * @throws io.outboxinbox.agent.event.AgentException.Retryable the broker is away, or has not
   *     moved on for minutes
   */
  List<PublishedEvent> poll();

  /** Messages read so far, events or not. */
  long read();

  /** Messages there are to read. */
  long total();

  /** Whether messages are there that were published before the search begins. */
  boolean hasEarlier();

  /** Whether of each key only the last message is sure to be kept. */
  boolean isCompacted(String topic);

  /** What may have been published and is not there any more, in words; empty if nothing. */
  List<String> gone();

  /** May be called twice. */
  @Override
  void close();
}
