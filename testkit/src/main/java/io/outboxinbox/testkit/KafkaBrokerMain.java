package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;

/**
 * A {@link KafkaBroker} as a process of its own, to be killed:
 *
 * <pre>
 * java -cp ... io.outboxinbox.testkit.KafkaBrokerMain --port 9092 --data /tmp/kafka --set message.max.bytes=2000000
 * </pre>
 *
 * Prints one line starting with {@value #READY} when clients can connect. SIGTERM stops it in
 * order. With {@code --with-parent} it also ends when its standard input does, so that it does not
 * outlive a killed test.
 */
public final class KafkaBrokerMain {
  static final String READY = "READY";

  private KafkaBrokerMain() {}

  public static void main(String[] args) throws IOException {
    KafkaBroker.Options options = KafkaBroker.Options.defaults();
    boolean withParent = false;
    for (Iterator<String> words = List.of(args).iterator(); words.hasNext(); ) {
      String option = words.next();
      switch (option) {
        case "--port" -> options = options.withPort(Integer.parseInt(valueOf(option, words)));
        case "--data" -> options = options.withDataDirectory(Path.of(valueOf(option, words)));
        case "--set" -> options = withSetting(options, valueOf(option, words));
        case "--second" ->
            options =
                options.withSecondListener(KafkaBroker.Listener.parse(valueOf(option, words)));
        case "--with-parent" -> withParent = true;
        default ->
            throw new IllegalArgumentException(
                "unknown option "
                    + option
                    + "; known: --port, --data, --set name=value, --second listener, --with-parent");
      }
    }
    run(options, withParent);
  }

  private static void run(KafkaBroker.Options options, boolean withParent) throws IOException {
    KafkaBroker broker = KafkaBroker.start(options);
    Runtime.getRuntime().addShutdownHook(new Thread(broker::close, "testkit-kafka-stop"));
    System.out.println(READY + " " + broker.bootstrapServers());
    if (withParent) {
      System.in.transferTo(OutputStream.nullOutputStream());
      System.exit(0);
    }
  }

  private static KafkaBroker.Options withSetting(KafkaBroker.Options options, String setting) {
    int equals = setting.indexOf('=');
    if (equals < 1) {
      throw new IllegalArgumentException("--set " + setting + " must be --set name=value");
    }
    return options.withSetting(setting.substring(0, equals), setting.substring(equals + 1));
  }

  private static String valueOf(String option, Iterator<String> words) {
    if (!words.hasNext()) {
      throw new IllegalArgumentException(option + " needs a value");
    }
    return words.next();
  }
}
