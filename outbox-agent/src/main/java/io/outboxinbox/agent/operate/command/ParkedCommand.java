package io.outboxinbox.agent.operate.command;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.operate.DeskAnswer;
import io.outboxinbox.agent.operate.DeskChange;
import io.outboxinbox.agent.operate.DeskDetail;
import io.outboxinbox.agent.operate.DeskEntry;
import io.outboxinbox.agent.operate.DeskFilter;
import io.outboxinbox.agent.operate.DeskFilter.State;
import io.outboxinbox.agent.operate.DeskSelection;
import io.outboxinbox.agent.operate.ParkedDesk;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import net.sourceforge.argparse4j.inf.ArgumentParserException;
import net.sourceforge.argparse4j.inf.Namespace;
import net.sourceforge.argparse4j.inf.Subparser;
import org.jspecify.annotations.Nullable;

/**
 * {@code parked ACTION CONFIG --pipeline NAME}: what operators do with events that could not be
 * published. It writes requests into the table; the leading agent does what they say.
 */
public final class ParkedCommand extends PipelineCommand {
  /** For ever: many events take as long as they take, and whoever waits can end it. */
  private static final int ANSWER_SECONDS = 0;

  private static final Duration LOOK_AGAIN = Duration.ofMillis(500);
  private static final int OUTCOMES_SHOWN_MAX = 50;

  private final Clock clock;
  private final ParkedPrinter printer;

  public ParkedCommand(PrintStream out, Clock clock) {
    super(
        "parked", "lists, corrects, releases and discards events that could not be published", out);
    this.clock = clock;
    this.printer = new ParkedPrinter(out);
  }

  // Not super.configure: each action takes the file behind its own name.
  @Override
  public void configure(Subparser subparser) {
    subparser.help(getDescription());
    addOptions(new Options(subparser));
  }

  @Override
  void addOptions(Options options) {
    ParkedArguments.declare(options.command());
  }

  @Override
  void run(Namespace given, PipelineConfiguration pipeline) throws Exception {
    ParkedArguments arguments = new ParkedArguments(given, clock);
    ParkedDesk.Templates templates = ParkedDesk.Templates.of(pipeline);
    try (ParkedDesk desk = ParkedDesk.open(pipeline.source(), templates, ANSWER_SECONDS)) {
      switch (arguments.action()) {
        case "list" -> list(desk, arguments);
        case "show" -> show(desk, arguments);
        case "release" -> release(desk, arguments);
        case "discard" -> discard(desk, arguments);
        case "cancel" -> cancel(desk, arguments);
        case "edit" -> edit(desk, arguments, pipeline);
        case "purge" -> purge(desk, arguments);
        default -> throw new IllegalStateException("no such action: " + arguments.action());
      }
    } finally {
      out.flush();
    }
  }

  private void list(ParkedDesk desk, ParkedArguments arguments) throws ArgumentParserException {
    DeskFilter filter = arguments.filter();
    int limit = arguments.limit();
    List<DeskEntry> entries = desk.list(filter, arguments.after(), limit);
    printer.list(entries);
    printer.totals(desk.totals(filter));
    printer.elsewhere(desk.waitingElsewhere());
    if (entries.size() == limit) {
      out.printf("next page: the same command with --after %d%n", entries.get(limit - 1).ordinal());
    }
  }

  private void show(ParkedDesk desk, ParkedArguments arguments) throws IOException {
    long ordinal = arguments.ordinal();
    Optional<DeskDetail> found = desk.find(ordinal);
    if (found.isEmpty()) {
      throw new IOException(
          "there is no parked event %d; see 'parked list --state all'".formatted(ordinal));
    }
    @Nullable String file = arguments.out();
    if (file != null) {
      try (OutputStream to = newFile(file)) {
        requirePayload(desk.copyPayload(ordinal, to), ordinal);
      }
      out.printf("payload of event %d is in %s%n", ordinal, file);
    } else if (arguments.has("payload")) {
      requirePayload(desk.copyPayload(ordinal, out), ordinal);
    } else {
      printer.detail(found.get());
    }
  }

  private static void requirePayload(boolean hasPayload, long ordinal) throws IOException {
    if (!hasPayload) {
      throw new IOException("event %d is a tombstone: it has no payload".formatted(ordinal));
    }
  }

  private void release(ParkedDesk desk, ParkedArguments arguments) throws Exception {
    DeskSelection selection = arguments.selection(State.WAITING);
    if (isOnlyAsked(desk, selection, arguments, "release")) {
      return;
    }
    DeskAnswer answer = desk.release(selection, arguments.by());
    out.printf("release of %,d events is requested%n", answer.taken().size());
    if (answer.leftOutCount() > 0) {
      out.printf(
          "%,d are left out, each because of an earlier event of its key that has a fault of its own and that nobody has requested:%n",
          answer.leftOutCount());
      answer
          .leftOut()
          .forEach((later, earlier) -> out.printf("%8d  comes after %d%n", later, earlier));
      out.println("release or discard those too");
    }
    settle(desk, answer, arguments);
  }

  private void settle(ParkedDesk desk, DeskAnswer answer, ParkedArguments arguments)
      throws Exception {
    if (!desk.isLed()) {
      out.println("no agent leads this source at present; it will be done once one does");
    }
    if (arguments.has("wait")) {
      await(desk, answer, arguments.timeout());
    }
  }

  /** Without numbers the command first says what it would do. */
  private boolean isOnlyAsked(
      ParkedDesk desk, DeskSelection selection, ParkedArguments arguments, String what) {
    if (selection instanceof DeskSelection.Matching matching && !arguments.has("yes")) {
      printer.totals(desk.totals(matching.filter()));
      out.printf("would %s these; add --yes to do it%n", what);
      return true;
    }
    return false;
  }

  private void await(ParkedDesk desk, DeskAnswer answer, Duration timeout) throws Exception {
    Map<Long, Integer> open = new LinkedHashMap<>();
    answer.taken().forEach(event -> open.put(event.ordinal(), event.attempts()));
    long deadline = System.nanoTime() + timeout.toNanos();
    int refused = 0;
    int shown = 0;
    while (true) {
      for (DeskEntry entry : desk.outcomes(open.keySet())) {
        refused += entry.isWaiting() ? 1 : 0;
        if (entry.isWaiting() || shown++ < OUTCOMES_SHOWN_MAX) {
          printer.outcome(entry, open.getOrDefault(entry.ordinal(), 0));
        }
        open.remove(entry.ordinal());
      }
      if (open.isEmpty()) {
        break;
      }
      if (System.nanoTime() - deadline > 0) {
        throw new IOException(
            "%d events were not settled within %s; the request stands, see 'parked list --state requested'"
                .formatted(open.size(), timeout));
      }
      Thread.sleep(LOOK_AGAIN.toMillis());
    }
    int released = answer.taken().size() - refused;
    out.printf("%,d settled, %,d still parked%n", released, refused);
    if (refused > 0) {
      throw new ExitCode.FindingsException(refused + " events are still parked");
    }
  }

  private void discard(ParkedDesk desk, ParkedArguments arguments) throws Exception {
    DeskAnswer answer = desk.discard(arguments.numbers(), arguments.by(), arguments.reason());
    out.printf("discard of %,d events is requested%n", answer.taken().size());
    settle(desk, answer, arguments);
  }

  private static OutputStream newFile(String file) throws IOException {
    try {
      return Files.newOutputStream(Path.of(file), StandardOpenOption.CREATE_NEW);
    } catch (FileAlreadyExistsException e) {
      throw new IOException(
          "--out %s: the file is there already and is left as it is; name another one"
              .formatted(file),
          e);
    } catch (IOException e) {
      throw new IOException("--out %s cannot be written: %s".formatted(file, e), e);
    }
  }

  private void cancel(ParkedDesk desk, ParkedArguments arguments) throws ArgumentParserException {
    DeskSelection selection = arguments.selection(State.REQUESTED);
    if (!isOnlyAsked(desk, selection, arguments, "take back the requests for")) {
      out.printf("requests for %,d events are taken back%n", desk.cancel(selection).taken().size());
    }
  }

  private void edit(ParkedDesk desk, ParkedArguments arguments, PipelineConfiguration pipeline)
      throws Exception {
    long ordinal = arguments.ordinal();
    DeskChange change = arguments.change();
    @Nullable String topic = change.values().get(DeskChange.Field.TOPIC);
    if (topic != null) {
      @Nullable String table = desk.find(ordinal).map(found -> found.entry().table()).orElse(null);
      pipeline.router().requireTopic(table, topic);
    }
    List<String> changed = desk.edit(ordinal, change, arguments.by(), arguments.reason());
    if (changed.isEmpty()) {
      out.printf("event %d has these values already; nothing was changed%n", ordinal);
    } else {
      out.printf(
          "event %d: changed %s; the old values are kept. 'parked release' asks to publish it%n",
          ordinal, String.join(", ", changed));
    }
  }

  private void purge(ParkedDesk desk, ParkedArguments arguments) throws ArgumentParserException {
    Duration olderThan = arguments.olderThan();
    if (arguments.has("yes")) {
      out.printf("deleted %,d settled events%n", desk.purge(olderThan));
    } else {
      out.printf(
          "would delete %,d settled events; add --yes to do it%n", desk.countPurgeable(olderThan));
    }
  }
}
