package io.outboxinbox.quickstart.stage;

import io.outboxinbox.quickstart.inventory.Inventory;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** The inventory service. */
public final class InventoryProcess implements AutoCloseable {
  private static final String HEAP = "-Xmx128m";

  /** Enough to see repeats, and soon gone through, however long the demonstration has run. */
  private static final long OF_A_PARTITION_MAX = 2_000;

  private final Service process;
  private final String bootstrapServers;

  public InventoryProcess(Workplace workplace, String jdbcUrl, String bootstrapServers) {
    this.bootstrapServers = bootstrapServers;
    this.process =
        new Service(
            "inventory",
            workplace,
            List.of(
                HEAP,
                // On two cores the second stage of compilation keeps everybody from work.
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Inventory.class.getName(),
                jdbcUrl,
                bootstrapServers,
                AgentSettings.TOPIC));
  }

  /** To start, kill and look after. */
  public Service process() {
    return process;
  }

  /**
   * Makes Kafka deliver messages again: stops the service, sets its offsets back and starts it.
   *
   * @return how many messages come again
   */
  public long redeliver() throws Trouble {
    process.close();
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers))) {
      leaveGroup(admin);
      Map<TopicPartition, OffsetAndMetadata> back = new HashMap<>();
      long messages = 0;
      for (Map.Entry<TopicPartition, OffsetAndMetadata> committed : committed(admin).entrySet()) {
        long offset = committed.getValue().offset();
        long earlier = Math.max(0, offset - OF_A_PARTITION_MAX);
        messages += offset - earlier;
        back.put(committed.getKey(), new OffsetAndMetadata(earlier));
      }
      admin.alterConsumerGroupOffsets(Inventory.GROUP, back).all().get();
      process.start();
      return messages;
    } catch (ExecutionException e) {
      throw new Trouble("cannot set the inventory's offsets back: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Trouble("interrupted while setting the inventory's offsets back", e);
    }
  }

  /** A static member stays in its group when it stops, and offsets are set only in an empty one. */
  private static void leaveGroup(Admin admin) throws ExecutionException, InterruptedException {
    MemberToRemove member = new MemberToRemove(Inventory.MEMBER);
    try {
      admin
          .removeMembersFromConsumerGroup(
              Inventory.GROUP, new RemoveMembersFromConsumerGroupOptions(Set.of(member)))
          .memberResult(member)
          .get();
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof UnknownMemberIdException)) {
        throw e;
      }
    }
  }

  private static Map<TopicPartition, OffsetAndMetadata> committed(Admin admin)
      throws ExecutionException, InterruptedException {
    return admin
        .listConsumerGroupOffsets(Inventory.GROUP)
        .partitionsToOffsetAndMetadata(Inventory.GROUP)
        .get();
  }

  @Override
  public void close() throws Trouble {
    process.close();
  }
}
