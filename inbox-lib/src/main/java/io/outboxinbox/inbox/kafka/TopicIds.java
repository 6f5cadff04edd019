package io.outboxinbox.inbox.kafka;

import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.AuthorizationException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks the broker for a topic's id: a topic that was deleted and made anew has the same name and
 * another id, and its offsets begin again. Any thread.
 */
final class TopicIds {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);
  private static final long ANSWERS_WITHIN_SECONDS = 10;

  private final Broker broker;

  TopicIds(Broker broker) {
    this.broker = broker;
  }

  /**
   * The id of a topic as it is now.
   *
   * @return null if we may not ask
   * @throws KafkaException the broker does not answer; ask again later
   */
  @Nullable UUID of(String topic) {
    try {
      Uuid id =
          broker
              .admin()
              .describeTopics(List.of(topic))
              .topicNameValues()
              .values()
              .iterator()
              .next()
              .get(ANSWERS_WITHIN_SECONDS, TimeUnit.SECONDS)
              .topicId();
      return new UUID(id.getMostSignificantBits(), id.getLeastSignificantBits());
    } catch (ExecutionException e) {
      if (e.getCause() instanceof AuthorizationException) {
        log.warn(
            "topic {} may not be described: if it is made anew, its offsets in inbox_offset have to"
                + " be deleted by hand",
            topic);
        return null;
      }
      throw new KafkaException("topic " + topic + " cannot be described: " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new KafkaException("topic " + topic + " cannot be described in time", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KafkaException("interrupted while describing topic " + topic, e);
    }
  }
}
