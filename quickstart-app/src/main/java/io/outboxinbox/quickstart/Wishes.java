package io.outboxinbox.quickstart;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.nio.charset.Charset;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the user wants while it runs: by signal, or by a letter and Enter. Any thread may ask. */
final class Wishes {
  private static final Logger log = LoggerFactory.getLogger(Wishes.class);

  /** Of the shell: 128 + SIGINT. */
  static final int EXIT_CODE_INTERRUPTED = 130;

  private final CountDownLatch end = new CountDownLatch(1);
  private final Map<Wish, AtomicInteger> wishes = new EnumMap<>(Wish.class);

  /** What can be asked for, any number of times. */
  enum Wish {
    KILL_AGENT("k"),
    KILL_INVENTORY("i"),
    REDELIVER("r");

    private final String letter;

    Wish(String letter) {
      this.letter = letter;
    }
  }

  Wishes() {
    for (Wish wish : Wish.values()) {
      wishes.put(wish, new AtomicInteger());
    }
  }

  /**
   * Takes Ctrl-C, a closed terminal and kill. A shutdown hook would not do: all hooks run at once,
   * and PostgreSQL's own would stop the server before the last event is through.
   */
  void listenToSignals() {
    for (String name : List.of("INT", "TERM", "HUP")) {
      try {
        handle(name);
      } catch (ReflectiveOperationException | IllegalArgumentException e) {
        // There is no HUP on Windows; the JVM's own way of ending remains.
        log.info("signal {} is not taken: {}", name, e.toString());
      }
    }
  }

  // By reflection, because javac warns of sun.misc and no annotation silences that.
  private void handle(String name) throws ReflectiveOperationException {
    Class<?> signalClass = Class.forName("sun.misc.Signal");
    Class<?> handlerClass = Class.forName("sun.misc.SignalHandler");
    Object handler =
        Proxy.newProxyInstance(
            Wishes.class.getClassLoader(),
            new Class<?>[] {handlerClass},
            (proxy, method, arguments) -> {
              if ("handle".equals(method.getName())) {
                askForEnd();
              }
              return null;
            });
    Object signal = signalClass.getConstructor(String.class).newInstance(name);
    signalClass.getMethod("handle", signalClass, handlerClass).invoke(null, signal, handler);
  }

  /** Takes letters from the terminal; ends with the JVM. */
  void listenToTerminal() {
    Thread listener = new Thread(this::readLines, "quickstart-keys");
    listener.setDaemon(true);
    listener.start();
  }

  private void readLines() {
    try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, Charset.defaultCharset()))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String letter = line.strip().toLowerCase(Locale.ROOT);
        if (letter.equals("q")) {
          askForEnd();
        }
        for (Wish wish : Wish.values()) {
          if (letter.equals(wish.letter)) {
            askFor(wish);
          }
        }
      }
    } catch (IOException e) {
      log.debug("no more letters", e);
    }
  }

  /** Fulfilled as soon as the main thread looks. */
  void askFor(Wish wish) {
    count(wish).incrementAndGet();
  }

  /** The first time ends in order; the second time at once. */
  void askForEnd() {
    if (end.getCount() == 0) {
      // Hooks stop PostgreSQL; the next start deletes what is left.
      System.exit(EXIT_CODE_INTERRUPTED);
    }
    end.countDown();
  }

  boolean wantsEnd() {
    return end.getCount() == 0;
  }

  /**
   * Waits, but not longer than until the end is wanted.
   *
   * @return whether it is
   */
  boolean awaitEnd(long millis) {
    try {
      return end.await(millis, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return true;
    }
  }

  /** Takes one wish of this kind, if there is any. */
  boolean take(Wish wish) {
    return count(wish).getAndUpdate(n -> Math.max(0, n - 1)) > 0;
  }

  private AtomicInteger count(Wish wish) {
    return Objects.requireNonNull(wishes.get(wish));
  }
}
