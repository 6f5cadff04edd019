package io.outboxinbox.agent;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** Ids, keys and names are of any script; the locale of a cron job or a service often has none. */
final class Locales {
  /** What the JVM puts in the place of bytes that are no text in its locale. */
  private static final String REPLACEMENT = "\uFFFD";

  private Locales() {}

  /** Lets what is printed be copied: question marks would name another event. */
  static void printAnything() {
    // From Java 19 on the default is UTF-8, and the locale's is told apart.
    String charset = System.getProperty("stdout.encoding", Charset.defaultCharset().name());
    if (Charset.forName(charset).equals(StandardCharsets.US_ASCII)) {
      System.setOut(utf8(FileDescriptor.out));
      System.setErr(utf8(FileDescriptor.err));
    }
  }

  private static PrintStream utf8(FileDescriptor to) {
    return new PrintStream(new FileOutputStream(to), true, StandardCharsets.UTF_8);
  }

  /** Why the arguments cannot be taken for what was typed; empty when they can. */
  static Optional<String> unreadable(String... arguments) {
    return Arrays.stream(arguments)
        .filter(argument -> argument.contains(REPLACEMENT))
        .findFirst()
        .map(
            argument ->
                "argument '%s' has characters that the locale of this process cannot read (%s); nothing was done; fix: export LC_ALL=C.UTF-8"
                    .formatted(argument, System.getProperty("sun.jnu.encoding")));
  }
}
