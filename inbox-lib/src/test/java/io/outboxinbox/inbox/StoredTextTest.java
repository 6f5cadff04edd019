package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StoredTextTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "plain",
        "\0",
        "a\\",
        "\\u0000",
        "\\\\u",
        "\uD83D\uDE00",
        "\uD83D",
        "\uDE00\uD83D",
        "\\\0"
      })
  void givesBackWhatItWasGiven(String text) {
    assertStored(text);
  }

  @Test
  void givesBackAnything() {
    long seed = System.nanoTime();
    System.out.println("StoredTextTest seed " + seed);
    Random random = new Random(seed);
    String parts = "\\u0d\0\uD800\uDC00x";
    for (int i = 0; i < 10_000; i++) {
      StringBuilder text = new StringBuilder();
      for (int n = random.nextInt(12); n > 0; n--) {
        text.append(parts.charAt(random.nextInt(parts.length())));
      }
      assertStored(text.toString());
    }
  }

  @Test
  void leavesPlainTextAsItIs() {
    assertThat(StoredText.escaped("order-1/ä€\uD83D\uDE00\n"))
        .isEqualTo("order-1/ä€\uD83D\uDE00\n");
  }

  @Test
  void cutsNoCharacterInHalf() {
    assertThat(StoredText.shortened("ab\uD83D\uDE00", 3)).isEqualTo("ab");
    assertThat(StoredText.shortened("ab\uD83D\uDE00", 4)).isEqualTo("ab\uD83D\uDE00");
  }

  private static void assertStored(String text) {
    String escaped = StoredText.escaped(text);
    assertThat(escaped).doesNotContain("\0");
    assertThat(StandardCharsets.UTF_8.newEncoder().canEncode(escaped)).isTrue();
    assertThat(StoredText.original(escaped)).isEqualTo(text);
  }
}
