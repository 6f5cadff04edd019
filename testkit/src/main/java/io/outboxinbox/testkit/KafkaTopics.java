package io.outboxinbox.testkit;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.KafkaFuture;

/** What we ask of a broker's administration, wherever the broker runs. */
final class KafkaTopics {
  private static final long LIMIT_SECONDS = 60;

  private KafkaTopics() {}

  static Admin admin(String bootstrapServers) {
    return Admin.create(Map.of("bootstrap.servers", bootstrapServers));
  }

  static void create(
      String bootstrapServers, String name, int partitions, Map<String, String> config) {
    try (Admin admin = admin(bootstrapServers)) {
      NewTopic topic = new NewTopic(name, partitions, (short) 1).configs(config);
      await(admin.createTopics(List.of(topic)).all(), "create topic " + name);
    }
  }

  static void delete(String bootstrapServers, List<String> names) {
    try (Admin admin = admin(bootstrapServers)) {
      await(admin.deleteTopics(names).all(), "delete topics " + names);
    }
  }

  /** Returns once the broker answers clients. */
  static void awaitReady(String bootstrapServers) {
    try (Admin admin = admin(bootstrapServers)) {
      await(admin.describeCluster().nodes(), "reach " + bootstrapServers);
    }
  }

  private static void await(KafkaFuture<?> future, String action) {
    try {
      future.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new IllegalStateException("cannot " + action + ": " + e.getCause(), e.getCause());
    } catch (TimeoutException e) {
      throw new IllegalStateException("cannot " + action + " within " + LIMIT_SECONDS + " s", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting to " + action, e);
    }
  }
}
