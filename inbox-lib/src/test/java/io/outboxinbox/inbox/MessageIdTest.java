package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class MessageIdTest {
  private static final String VERSION_7 = "01a20cbf-5a27-762e-8766-f0683077a4f1";

  @Test
  void keepsAUuidVersion7AsItsOwnKeyWithItsTime() {
    MessageId id = MessageId.of(VERSION_7);
    assertThat(id.key()).hasToString(VERSION_7);
    assertThat(id.madeAt()).contains(Instant.ofEpochMilli(0x01a20cbf5a27L));
    assertThat(MessageId.of(VERSION_7.toUpperCase(Locale.ROOT))).isEqualTo(id);
    assertThat(MessageId.of(UUID.fromString(VERSION_7))).isEqualTo(id);
  }

  @Test
  void hashesEveryOtherIdBehindAllDates() {
    Set<UUID> keys = new HashSet<>();
    for (String text :
        new String[] {
          "f47ac10b-58cc-4372-a567-0e02b2c3d479", // version 4
          "00000000-0000-4000-8000-000000000000", // version 4 that would look very old
          "ff0a20cb-5a27-762e-8766-f0683077a4f1", // version 7, but of a far future
          "01a20cbf-5a27-762e-4766-f0683077a4f1", // version 7 of another variant
          "01a20cbf5a27762e8766f0683077a4f1",
          "order-4711",
          " ",
          "a\u0000b",
          "line\nbreak",
          "\uD83D\uDE00",
          "x".repeat(MessageId.CHARACTERS_MAX)
        }) {
      MessageId id = MessageId.of(text);
      assertThat(id.madeAt()).as(text).isEmpty();
      assertThat(id.key().toString()).as(text).startsWith("ff");
      assertThat(id.key().version()).as(text).isEqualTo(8);
      assertThat(id.key().variant()).as(text).isEqualTo(2);
      assertThat(MessageId.of(text)).isEqualTo(id);
      keys.add(id.key());
    }
    assertThat(keys).hasSize(11);
  }

  @Test
  void isTheSameKeyInEveryVersionOfThisLibrary() {
    assertThat(MessageId.of("order-4711").key())
        .hasToString("ff3d0ddb-ff03-8193-bace-7ce60d3f58b4");
  }

  @Test
  void refusesWhatIsNoIdAndSaysWhy() {
    assertThatThrownBy(() -> MessageId.of((String) null))
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("no id")
        .hasMessageContaining("ce_id");
    assertThatThrownBy(() -> MessageId.of(""))
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("empty id");
    assertThatThrownBy(() -> MessageId.of("\u0007".repeat(1_000_000)))
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("1000000 characters, more than 1024")
        .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(300).doesNotContain("\u0007"));
  }

  @Test
  void showsNoControlCharacters() {
    assertThat(MessageId.of("a\r\nb").toString()).isEqualTo("a\uFFFD\uFFFDb");
    assertThat(MessageId.of("x".repeat(100)).toString()).isEqualTo("x".repeat(64) + "...");
  }

  @Test
  void isOneWithinItsSourceUnlessItIsAUuid() {
    MessageId ofA = MessageId.of("4711", "/a");
    assertThat(ofA).isEqualTo(MessageId.of("4711", "/a"));
    assertThat(ofA.text()).isEqualTo("4711");
    assertThat(ofA.key()).hasToString("ff3ab65f-e71c-8828-a4a1-f95344acacad");
    assertThat(ofA)
        .isNotEqualTo(MessageId.of("4711", "/b"))
        .isNotEqualTo(MessageId.of("4711"))
        .isNotEqualTo(MessageId.of("711", "/a4"))
        .isNotEqualTo(MessageId.ofRequest("4711"));
    assertThat(MessageId.stored("4711", ofA.key()).keys()).isEqualTo(ofA.keys());
    for (String uuid : new String[] {VERSION_7, "f47ac10b-58cc-4372-a567-0e02b2c3d479"}) {
      assertThat(MessageId.of(uuid, "/a")).isEqualTo(MessageId.of(uuid));
      assertThat(MessageId.ofRequest(uuid)).isNotEqualTo(MessageId.of(uuid));
    }
    assertThat(MessageId.ofRequest(VERSION_7).madeAt()).isEqualTo(MessageId.of(VERSION_7).madeAt());
  }

  @Test
  void refusesHalfASurrogatePair() {
    for (String text : new String[] {"a\uD800", "\uDC00", "a\uDBFF?"}) {
      assertThatThrownBy(() -> MessageId.of(text))
          .isInstanceOf(InboxException.BadMessage.class)
          .hasMessageContaining("half a surrogate pair: ")
          .hasMessageContaining("\\ud");
    }
  }
}
