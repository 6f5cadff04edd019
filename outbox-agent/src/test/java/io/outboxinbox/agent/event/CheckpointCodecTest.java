package io.outboxinbox.agent.event;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class CheckpointCodecTest {
  private static final Checkpoint CHECKPOINT =
      new Checkpoint(
          new SourceIdentity("7611", "shop", "outbox_publication"),
          "orders",
          3,
          "outbox_agent",
          "publication 16401/751",
          1795500000L,
          42,
          Checkpoint.BACKLOG_DONE,
          new SourcePosition(0x16_B374D848L, 4_294_967_295L, 0x16_B374D900L, 7),
          Checkpoint.Parking.NONE,
          0,
          0,
          0);

  @Test
  void readsBackWhatItWrote() {
    assertThat(CheckpointCodec.decode(CheckpointCodec.encode(CHECKPOINT))).isEqualTo(CHECKPOINT);
  }

  @Test
  void remembersWhichReconciliationItFollows() {
    String written =
        new String(CheckpointCodec.encode(CHECKPOINT), StandardCharsets.UTF_8)
            .replace("\"reconciliation\":0", "\"reconciliation\":9");
    Checkpoint read = CheckpointCodec.decode(written.getBytes(StandardCharsets.UTF_8));
    assertThat(read.reconciliation()).isEqualTo(9);
    assertThat(read.advancedTo(CHECKPOINT.position(), 43).onTimeline(4).reconciliation())
        .isEqualTo(9);
  }

  @Test
  void remembersWhereTheListOfOlderRowsEnds() {
    String before = new String(CheckpointCodec.encode(CHECKPOINT), StandardCharsets.UTF_8);
    Checkpoint read =
        CheckpointCodec.decode(
            before
                .replace("\"backlogEnd\":0", "\"backlogEnd\":30")
                .getBytes(StandardCharsets.UTF_8));
    assertThat(read.backlogEnd()).isEqualTo(30);
    assertThat(CheckpointCodec.decode(CheckpointCodec.encode(read.withBacklog(10, 52))))
        .isEqualTo(read.withBacklog(10, 52));
    String older = before.replace(",\"backlogEnd\":0", "");
    assertThat(CheckpointCodec.decode(older.getBytes(StandardCharsets.UTF_8)))
        .as("of a version that did not write it")
        .isEqualTo(CHECKPOINT);
  }

  @Test
  void keepsParkedEventsFromAgentsThatDoNotKnowThem() {
    Checkpoint parked =
        CHECKPOINT.withParking(new Checkpoint.Parking(17, 3)).withEndedXid(5_000_000_000L);
    byte[] written = CheckpointCodec.encode(parked);
    assertThat(CheckpointCodec.decode(written)).isEqualTo(parked);
    assertThat(new String(written, StandardCharsets.UTF_8)).contains("\"version\":2");
    assertThat(new String(CheckpointCodec.encode(CHECKPOINT), StandardCharsets.UTF_8))
        .contains("\"version\":1");
  }

  /** They would pass over the rows of all tables but one. */
  @Test
  void keepsSeveralTablesFromAgentsThatReadOne() {
    Checkpoint several =
        CHECKPOINT.withPublicationMark(
            "publication 1/2 [10 \"outbox_event\" table 3/4] [20 \"event\" table 5/6]");
    byte[] written = CheckpointCodec.encode(several);
    assertThat(CheckpointCodec.decode(written)).isEqualTo(several);
    assertThat(new String(written, StandardCharsets.UTF_8)).contains("\"version\":3");
    for (String one :
        List.of("publication 1/2 table 3/4", "publication 1/2 all tables of 5", "none")) {
      byte[] ofOne = CheckpointCodec.encode(CHECKPOINT.withPublicationMark(one));
      assertThat(new String(ofOne, StandardCharsets.UTF_8)).contains("\"version\":1");
    }
  }

  @Test
  void readsWhatAgentsWithoutParkingWrote() {
    String older =
        new String(CheckpointCodec.encode(CHECKPOINT), StandardCharsets.UTF_8)
            .replace(
                ",\"parkedOrdinal\":0,\"release\":0,\"endedXid\":0,\"reconciliation\":0,\"backlogEnd\":0",
                "");
    assertThat(older).doesNotContain("parkedOrdinal");
    assertThat(CheckpointCodec.decode(older.getBytes(StandardCharsets.UTF_8)))
        .isEqualTo(CHECKPOINT);
  }

  @Test
  void writesPositionsAsTheServerShowsThem() {
    assertThat(new String(CheckpointCodec.encode(CHECKPOINT), StandardCharsets.UTF_8))
        .contains("\"commitLsn\":\"16/B374D848\"");
  }

  @Test
  void refusesAnotherVersionAndRubbish() {
    String newer =
        new String(CheckpointCodec.encode(CHECKPOINT), StandardCharsets.UTF_8)
            .replace("\"version\":1", "\"version\":4");
    assertRefused(newer, "its version is 4, this agent reads up to 3");
    assertRefused("{\"version\":1}", "Missing required creator property 'epoch'");
    assertRefused("hello", "cannot be read");
    assertRefused("null", "it is null");
    String nameless =
        new String(CheckpointCodec.encode(CHECKPOINT), StandardCharsets.UTF_8)
            .replace("\"slot\":\"outbox_agent\"", "\"slot\":null");
    assertRefused(nameless, "`null` value encountered for property \"slot\"");
  }

  private static void assertRefused(String json, String part) {
    assertThatThrownBy(() -> CheckpointCodec.decode(json.getBytes(StandardCharsets.UTF_8)))
        .isInstanceOf(AgentException.Fatal.class)
        .hasMessageContaining(part);
  }
}
