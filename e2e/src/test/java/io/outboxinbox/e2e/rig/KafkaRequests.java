package io.outboxinbox.e2e.rig;

import io.outboxinbox.testkit.TcpProxy;
import org.apache.kafka.common.Uuid;

/**
 * Finds the requests in what a Kafka client sends: each is four bytes of length and two of its kind
 * (Kafka protocol guide, request header). One per connection; one thread uses it.
 */
public final class KafkaRequests implements TcpProxy.Watcher {
  public static final short PRODUCE = 0;
  public static final short FETCH = 1;
  public static final short INIT_PRODUCER_ID = 22;

  /** The request that commits or aborts. */
  public static final short END_TXN = 26;

  private static final int HEADER_BYTES = 6;
  private static final int LENGTH_BYTES = 4;
  private static final int ID_BYTES = 16;

  /** What finds requests; may change the network before they are forwarded. */
  public interface Finder {
    /** A request of this kind begins. */
    void begins(short kind);

    /** The request that began last speaks of the topic; produce requests name topics by id. */
    default void names(short kind, Uuid topic) {}
  }

  private final Finder finder;
  private final Uuid topic;
  private long header;
  private int headerBytes;
  private short kind;
  private long bodyBytesLeft;
  private long idHigh;
  private long idLow;
  private int idBytes;

  public KafkaRequests(Finder finder) {
    this(finder, Uuid.ZERO_UUID);
  }

  /** Also says which requests name a topic. */
  public KafkaRequests(Finder finder, Uuid topic) {
    this.finder = finder;
    this.topic = topic;
  }

  @Override
  public void sees(byte[] bytes, int length) {
    for (int at = 0; at < length; at++) {
      if (bodyBytesLeft > 0) {
        body(bytes[at] & 0xFF);
      } else {
        head(bytes[at] & 0xFF);
      }
    }
  }

  private void head(int value) {
    header = (header << 8) | value;
    if (++headerBytes < HEADER_BYTES) {
      return;
    }
    kind = (short) header;
    bodyBytesLeft = ((header >>> 16) & 0xFFFF_FFFFL) - (HEADER_BYTES - LENGTH_BYTES);
    header = 0;
    headerBytes = 0;
    idBytes = 0;
    finder.begins(kind);
  }

  private void body(int value) {
    bodyBytesLeft--;
    // The last 16 bytes, as the two halves of an id.
    idHigh = (idHigh << 8) | (idLow >>> 56);
    idLow = (idLow << 8) | value;
    if (++idBytes >= ID_BYTES
        && idHigh == topic.getMostSignificantBits()
        && idLow == topic.getLeastSignificantBits()
        && !topic.equals(Uuid.ZERO_UUID)) {
      finder.names(kind, topic);
    }
  }
}
