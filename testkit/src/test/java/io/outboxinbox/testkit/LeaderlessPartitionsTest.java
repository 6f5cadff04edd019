package io.outboxinbox.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.metadata.PartitionRecord;
import org.apache.kafka.common.metadata.TopicRecord;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.image.MetadataDelta;
import org.apache.kafka.image.MetadataImage;
import org.apache.kafka.image.MetadataProvenance;
import org.apache.kafka.metadata.KRaftMetadataCache;
import org.apache.kafka.server.common.KRaftVersion;
import org.junit.jupiter.api.Test;

class LeaderlessPartitionsTest {
  private static final ListenerName LISTENER = new ListenerName("PLAINTEXT");

  @Test
  void aPartitionThatWaitsForALeaderIsNotTakenForDeleted() throws ClassNotFoundException {
    // What the first broker of a JVM does.
    Class.forName(KafkaBroker.class.getName());
    KRaftMetadataCache cache = new KRaftMetadataCache(1, () -> KRaftVersion.LATEST_PRODUCTION);
    cache.setImage(leaderless("orders"));
    assertThat(cache.getPartitionLeaderEndpoint("orders", 0, LISTENER)).contains(Node.noNode());
    assertThat(cache.getPartitionLeaderEndpoint("orders", 1, LISTENER)).isEmpty();
    assertThat(cache.getPartitionLeaderEndpoint("deleted", 0, LISTENER)).isEmpty();
  }

  private static MetadataImage leaderless(String topic) {
    Uuid id = Uuid.randomUuid();
    MetadataDelta delta = new MetadataDelta.Builder().setImage(MetadataImage.EMPTY).build();
    delta.replay(new TopicRecord().setName(topic).setTopicId(id));
    delta.replay(
        new PartitionRecord()
            .setTopicId(id)
            .setPartitionId(0)
            .setReplicas(List.of(1))
            .setIsr(List.of(1))
            .setDirectories(List.of(Uuid.randomUuid()))
            .setLeader(-1)
            .setLeaderEpoch(1)
            .setPartitionEpoch(1));
    return delta.apply(MetadataProvenance.EMPTY);
  }
}
