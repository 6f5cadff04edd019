package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.ForwardingConsumer;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Published;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Verdict;
import io.outboxinbox.testkit.ChildProcess;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * From one database through two agents and a consumer between them: database, topic, inbox, outbox,
 * topic. All three processes are killed again and again, and every event arrives at the far end
 * once, in the order of its key.
 */
@EnabledIfSystemProperty(named = "e2e.long", matches = "true")
class ForwardingFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final Duration FORWARDED_WITHIN = Duration.ofMinutes(3);
  private static final String FORWARDED = "forwarded";
  private static final int ATOMIC_EVENTS = 10_000;
  private static final int PAUSE_MILLIS_MIN = 500;
  private static final int PAUSE_MILLIS_MAX = 4_000;

  private final long seed = Setting.seed();
  private final int kills = Setting.of("forwarding.kills", 30);
  private final int eventsPerSecond = Setting.of("forwarding.eventsPerSecond", 500);

  @Test
  void forwardsEveryEventOnceThroughKillsOfAgentsAndConsumer() throws Exception {
    try (Stage stage = Stage.start()) {
      stage.createTopic(FORWARDED);
      String servers = stage.kafka().bootstrapServers();
      SourceDatabase source = SourceDatabase.create(stage.postgres());
      SourceDatabase middle = SourceDatabase.create(stage.postgres()).withInbox();
      try (LedgerRun run = LedgerRun.start(stage, source, seed);
          AgentProcess first =
              AgentProcess.of("forwarding-1", AgentConfig.of(source, servers, Stage.TOPIC));
          AgentProcess second =
              AgentProcess.of(
                  "forwarding-2",
                  // Slots belong to the whole server, and both databases are on one.
                  AgentConfig.of(middle, servers, FORWARDED).source("slot", "forwarding"));
          ChildProcess consumer =
              ForwardingConsumer.process("forwarding-consumer", middle, servers, Stage.TOPIC)) {
        first.startAndLead(LEADS_WITHIN);
        second.startAndLead(LEADS_WITHIN);
        consumer.start();
        Random random = new Random(seed);
        try (Load load = run.load(eventsPerSecond)) {
          for (int i = 0; i < kills; i++) {
            pause(random);
            kill(random.nextInt(3), first, second, consumer);
          }
          load.stop();
        }
        Verdict verdict = run.finish(first, ATOMIC_EVENTS);
        List<Published> published = run.reader().published();
        Map<String, List<String>> forwarded = awaitForwarded(servers, published.size());
        Report report =
            new Report("Forwarding, seed " + seed)
                .line("%d x kill -9 of one of two agents and a consumer", kills)
                .line("effects in between: %s", middle.query("SELECT count(*) FROM effect"))
                .verdict(verdict)
                .print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
        assertThat(forwarded).as(report.toString()).isEqualTo(idsByKey(published));
        assertThatEffectsAreOnce(middle, published.size());
        consumer.stop();
      }
    }
  }

  private static void pause(Random random) {
    int millis = PAUSE_MILLIS_MIN + random.nextInt(PAUSE_MILLIS_MAX - PAUSE_MILLIS_MIN);
    LockSupport.parkNanos(Duration.ofMillis(millis).toNanos());
  }

  private static void kill(
      int victim, AgentProcess first, AgentProcess second, ChildProcess consumer) {
    if (victim == 2) {
      consumer.kill();
      consumer.start();
    } else {
      AgentProcess agent = victim == 0 ? first : second;
      agent.kill();
      agent.start();
    }
  }

  private static void assertThatEffectsAreOnce(SourceDatabase middle, int events)
      throws SQLException {
    assertThat(middle.query("SELECT count(*) FROM effect")).isEqualTo(String.valueOf(events));
    assertThat(middle.query("SELECT count(DISTINCT event_id) FROM effect"))
        .isEqualTo(String.valueOf(events));
  }

  /** Ids in the order of the topic, for each key: what was read first, and what was forwarded. */
  private static Map<String, List<String>> idsByKey(List<Published> published) {
    Map<String, List<String>> ids = new TreeMap<>();
    for (Published message : published) {
      ids.computeIfAbsent(message.key(), key -> new ArrayList<>()).add(message.id().toString());
    }
    return ids;
  }

  /**
   * Everything forwarded, by key, as soon as there is as much as expected, and whatever follows.
   */
  private static Map<String, List<String>> awaitForwarded(String servers, int expected) {
    Map<String, List<String>> forwarded = new TreeMap<>();
    Map<String, Object> settings =
        Map.of("bootstrap.servers", servers, "isolation.level", "read_committed");
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions =
          IntStream.range(0, Stage.PARTITIONS)
              .mapToObj(i -> new TopicPartition(FORWARDED, i))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      int[] count = {0};
      Awaitility.await("everything is forwarded")
          .atMost(FORWARDED_WITHIN)
          .pollDelay(Duration.ZERO)
          .pollInSameThread()
          .until(
              () -> {
                int polled = 0;
                for (ConsumerRecord<byte[], byte[]> message :
                    consumer.poll(Duration.ofSeconds(1))) {
                  polled++;
                  String key = new String(message.key(), StandardCharsets.UTF_8);
                  String payload = new String(message.value(), StandardCharsets.UTF_8);
                  forwarded
                      .computeIfAbsent(key, name -> new ArrayList<>())
                      .add(payload.replaceAll(".*\"of\" *: *\"([^\"]*)\".*", "$1"));
                }
                count[0] += polled;
                return count[0] >= expected && polled == 0;
              });
    }
    return forwarded;
  }
}
