package io.outboxinbox.testkit;

import static net.bytebuddy.matcher.ElementMatchers.named;

import java.lang.invoke.MethodHandles;
import java.util.Optional;
import net.bytebuddy.ByteBuddy;
import net.bytebuddy.asm.Advice;
import net.bytebuddy.dynamic.ClassFileLocator;
import net.bytebuddy.pool.TypePool;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.metadata.MetadataCache;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Mends a fault in the brokers of this JVM: those of Kafka 4.3 and 4.4 take a partition that has no
 * leader for one that was deleted, and skip the commit marker of a transaction that ends just then
 * (KAFKA-20734, docs/decisions/0008). That transaction hides what lies behind it until the next one
 * of its id, and a test that stops a broker fails now and then.
 */
final class LeaderlessPartitions {
  private static final Logger LOG = LoggerFactory.getLogger(LeaderlessPartitions.class);
  private static final String FAULTY = "org.apache.kafka.metadata.KRaftMetadataCache";

  private LeaderlessPartitions() {}

  /**
   * Defines Kafka's class with the right answer. Does nothing where Kafka is older than the fault,
   * or where another embedded broker has loaded the class before.
   */
  static void mend() {
    ClassLoader loader = MetadataCache.class.getClassLoader();
    TypePool.Resolution faulty = TypePool.Default.of(loader).describe(FAULTY);
    if (!faulty.isResolved()) {
      return;
    }
    byte[] mended =
        new ByteBuddy()
            .redefine(faulty.resolve(), ClassFileLocator.ForClassLoader.of(loader))
            .visit(Advice.to(NoNode.class).on(named("getPartitionLeaderEndpoint")))
            .make()
            .getBytes();
    try {
      MethodHandles.privateLookupIn(MetadataCache.class, MethodHandles.lookup())
          .defineClass(mended);
    } catch (LinkageError loaded) {
      LOG.warn("brokers of this JVM keep the fault KAFKA-20734: {}", loaded.toString());
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(FAULTY + " cannot be mended", e);
    }
  }

  /** Becomes the end of Kafka's method. */
  private static final class NoNode {
    @Advice.OnMethodExit
    static void aKnownPartitionIsNotDeleted(
        @Advice.This MetadataCache cache,
        @Advice.Argument(0) String topic,
        @Advice.Argument(1) int partition,
        @Advice.Return(readOnly = false) Optional<Node> leader) {
      if (leader.isEmpty() && cache.contains(new TopicPartition(topic, partition))) {
        leader = Optional.of(Node.noNode());
      }
    }
  }
}
