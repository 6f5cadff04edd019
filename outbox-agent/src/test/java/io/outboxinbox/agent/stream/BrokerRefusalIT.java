package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.pipeline.ParkingRig;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** An event only the broker knows to refuse is found in its batch and parked; the others go. */
@ParameterizedClass
@EnumSource(Memory.class)
class BrokerRefusalIT {
  @Parameter Memory memory;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;
  private ParkingRig parked;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
    parked = new ParkingRig(rig);
    rig.execute(
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_payload_at_most_1000000_bytes");
  }

  @AfterEach
  void tearDown() throws Exception {
    parked.close();
    rig.close();
  }

  @Test
  void isolatesWhatTheBrokerRefusesFromItsBatch() throws Exception {
    // A batch must fit into a segment; no limit the agent could look at tells.
    String strict =
        kafka.newTopic(
            "strict", 1, Map.of("segment.bytes", "1048576", "max.message.bytes", "5000000"));
    List<String> good = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      if (i == 13 || i == 14 || i == 31) {
        parked.insertLarge("bad" + i, "bad" + i, strict, 1_200_000);
      } else {
        parked.insert("good" + i, "k" + i % 4, null, "{}");
        good.add("good" + i);
      }
    }
    Pipeline pipeline = rig.start("");
    parked.awaitWaiting(3);
    parked.awaitPublished(good.toArray(String[]::new));
    assertThat(parked.rows("event_type", "true")).containsExactly("bad13", "bad14", "bad31");
    assertThat(parked.rows("reason", "true"))
        .allSatisfy(reason -> assertThat(reason).startsWith("event ").contains(": kafka refused"));
    assertThat(parked.publishedIn(strict)).isEmpty();
    rig.awaitState(pipeline, State.LEADING);
    // Refused again when it is released, on its own and together with good ones.
    rig.execute(
        "UPDATE outbox_parked SET topic = NULL, payload = '{}', requested = 'release'"
            + " WHERE event_type = 'bad14'",
        "UPDATE outbox_parked SET requested = 'release' WHERE event_type <> 'bad14'");
    parked.awaitPublishedAtLeast("bad14");
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> parked.rows("event_type", "attempts = 2 AND requested IS NULL").size() == 2);
    assertThat(parked.publishedIn(strict)).isEmpty();
    parked.insert("last", "k1", null, "{}");
    parked.awaitPublishedAtLeast("last");
  }

  @Test
  void parksWhatExceedsALimitThatWasLoweredWhileRunning() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insertLarge("before", "a", null, 50_000);
    parked.awaitPublished("before");
    ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, rig.topic);
    try (Admin admin = kafka.admin()) {
      admin
          .incrementalAlterConfigs(
              Map.of(
                  topic,
                  List.of(
                      new AlterConfigOp(
                          new ConfigEntry("max.message.bytes", "20000"),
                          AlterConfigOp.OpType.SET))))
          .all()
          .get();
      await()
          .atMost(Duration.ofSeconds(90))
          .until(
              () ->
                  admin
                      .describeConfigs(List.of(topic))
                      .values()
                      .get(topic)
                      .get()
                      .get("max.message.bytes")
                      .value()
                      .equals("20000"));
    }
    parked.insert("small-1", "b", null, "{}");
    parked.insertLarge("after", "a", null, 50_000);
    parked.insert("small-2", "b", null, "{}");
    parked.awaitPublished("before", "small-1", "small-2");
    parked.awaitWaiting(1);
    assertThat(parked.rows("reason", "true").get(0)).contains("exceeds the limit of 20000");
  }
}
