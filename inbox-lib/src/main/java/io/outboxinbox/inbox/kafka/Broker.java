package io.outboxinbox.inbox.kafka;

import java.time.Duration;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;

/** The one admin client of a consumer, made when the first asks something. Any thread. */
final class Broker implements AutoCloseable {
  private final Supplier<Admin> admins;
  private @Nullable Admin admin;
  private boolean isClosed;

  Broker(Supplier<Admin> admins) {
    this.admins = admins;
  }

  /**
   * The client; not to be closed.
   *
   * @throws KafkaException the properties make no client, or this is closed
   */
  synchronized Admin admin() {
    Admin made = admin;
    if (isClosed) {
      throw new KafkaException("the consumer is closed");
    }
    if (made == null) {
      made = admins.get();
      admin = made;
    }
    return made;
  }

  synchronized boolean isClosed() {
    return isClosed;
  }

  @Override
  public synchronized void close() {
    isClosed = true;
    Admin made = admin;
    if (made != null) {
      made.close(Duration.ofSeconds(1));
      admin = null;
    }
  }
}
