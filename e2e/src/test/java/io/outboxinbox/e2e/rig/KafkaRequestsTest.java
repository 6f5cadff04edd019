package io.outboxinbox.e2e.rig;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KafkaRequestsTest {
  private static final Uuid TOPIC = Uuid.randomUuid();

  private final List<String> found = new ArrayList<>();

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 7, 4096})
  void findsRequestsHoweverTheyAreCut(int chunkBytes) {
    KafkaRequests.Finder finder =
        new KafkaRequests.Finder() {
          @Override
          public void begins(short kind) {
            found.add("begins " + kind);
          }

          @Override
          public void names(short kind, Uuid topic) {
            found.add("names " + kind);
          }
        };
    KafkaRequests requests = new KafkaRequests(finder, TOPIC);
    ByteBuffer stream = ByteBuffer.allocate(4096);
    request(stream, KafkaRequests.PRODUCE, 900);
    request(stream, KafkaRequests.END_TXN, 60);
    request(stream, KafkaRequests.PRODUCE, 2);
    stream.putInt(2 + 5 + 16).putShort(KafkaRequests.PRODUCE).put(new byte[5]);
    stream.putLong(TOPIC.getMostSignificantBits()).putLong(TOPIC.getLeastSignificantBits());
    request(stream, KafkaRequests.END_TXN, 60);
    stream.flip();
    while (stream.hasRemaining()) {
      byte[] chunk = new byte[Math.min(chunkBytes, stream.remaining())];
      stream.get(chunk);
      requests.sees(chunk, chunk.length);
    }
    assertThat(found)
        .containsExactly("begins 0", "begins 26", "begins 0", "begins 0", "names 0", "begins 26");
  }

  private static void request(ByteBuffer stream, short kind, int bytes) {
    stream.putInt(bytes).putShort(kind);
    for (int i = 2; i < bytes; i++) {
      // Looks like the kind we search, where nobody should look.
      stream.put((byte) KafkaRequests.END_TXN);
    }
  }
}
