package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class OffsetsInDatabaseIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private final AtomicInteger repeats = new AtomicInteger();
  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("d", 1));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private InboxConsumerBuilder builder() {
    return rig.builder()
        .offsetsInDatabase(true)
        .listener(
            new ConsumerListener() {
              @Override
              public void duplicates(String topic, int messages) {
                repeats.addAndGet(messages);
              }
            });
  }

  private void consumeAndClose(int effects) {
    InboxConsumer consumer = rig.start(builder());
    eventually().until(() -> rig.effects() >= effects);
    eventually().until(() -> offset() == effects);
    consumer.close();
  }

  private long offset() throws Exception {
    return rig.number("SELECT coalesce(max(next_offset), -1) FROM inbox_offset");
  }

  @Test
  void goesOnAtItsOwnOffsetWhenTheBrokersWasReset() throws Exception {
    rig.sendMany(100, 10);
    consumeAndClose(100);
    rig.resetGroup(0, 0);
    rig.sendMany(10, 10);
    consumeAndClose(110);
    assertThat(repeats).hasValue(0);
  }

  /** FAILURES 66: the broker's offset is ahead of a database that was restored from a backup. */
  @Test
  void getsAgainWhatARestoredDatabaseHasLost() throws Exception {
    rig.sendMany(100, 10);
    consumeAndClose(100);
    // The text is the offset; the backup is of the moment when 60 were done.
    rig.execute(
        "DELETE FROM inbox_message WHERE message_key::text IN"
            + " (SELECT id FROM effect WHERE text::int >= 60);"
            + " DELETE FROM effect WHERE text::int >= 60; UPDATE inbox_offset SET next_offset = 60");
    assertThat(rig.effects()).isEqualTo(60);
    InboxConsumer consumer = rig.start(builder());
    eventually().until(() -> rig.effects() == 100);
    assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(100);
    consumer.close();
  }

  @Test
  void readsATopicThatWasMadeAnewFromItsBeginning() throws Exception {
    rig.sendMany(100, 10);
    consumeAndClose(100);
    makeTopicAnew();
    rig.sendMany(20, 10);
    InboxConsumer consumer = rig.start(builder());
    eventually().until(() -> rig.effects() == 120);
    eventually().until(() -> offset() == 20);
    consumer.close();
  }

  @Test
  void readsATopicThatWasMadeAnewAndHasGrownLongerThanBeforeFromItsBeginning() throws Exception {
    rig.sendMany(100, 10);
    consumeAndClose(100);
    makeTopicAnew();
    rig.sendMany(150, 10);
    InboxConsumer consumer = rig.start(builder());
    eventually().until(() -> rig.effects() == 250);
    eventually().until(() -> offset() == 150);
    consumer.close();
  }

  @Test
  void readsATopicThatIsMadeAnewUnderItFromItsBeginning() throws Exception {
    rig.sendMany(100, 10);
    InboxConsumer consumer = rig.start(builder());
    eventually().until(() -> offset() == 100);
    makeTopicAnew();
    rig.sendMany(20, 10);
    eventually().until(() -> rig.effects() == 120);
    eventually().until(() -> offset() == 20);
    eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
  }

  private void makeTopicAnew() throws Exception {
    try (Admin admin = kafka.admin()) {
      admin.deleteTopics(List.of(rig.topic())).all().get();
      eventually().until(() -> !admin.listTopics().names().get().contains(rig.topic()));
      eventually()
          .ignoreExceptions()
          .until(
              () -> {
                admin.createTopics(List.of(new NewTopic(rig.topic(), 1, (short) 1))).all().get();
                return true;
              });
    }
  }

  /** One with a schema for each tenant; this tenant has an inbox of its own. */
  @Test
  void keepsOffsetsWhereTheMessagesWereAdmittedWhateverSearchPathAHandlerSets() throws Exception {
    rig.execute("CREATE SCHEMA tenant");
    rig.execute("CREATE TABLE tenant.inbox_offset (LIKE public.inbox_offset INCLUDING ALL)");
    rig.execute("CREATE TABLE tenant.effect (LIKE public.effect INCLUDING ALL)");
    rig.sendMany(20, 20);
    rig.start(
        rig.builder()
            .offsetsInDatabase(true)
            .handler(
                (connection, message) -> {
                  try (var statement = connection.createStatement()) {
                    statement.execute("SET LOCAL search_path = tenant");
                  }
                  ConsumerRig.addEffect(connection, message);
                }));
    eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.number("SELECT count(*) FROM tenant.effect")).isEqualTo(20);
    assertThat(rig.number("SELECT sum(next_offset) FROM public.inbox_offset")).isEqualTo(20);
    assertThat(rig.number("SELECT count(*) FROM tenant.inbox_offset")).isZero();
  }
}
