package io.outboxinbox.agent.operate.command;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.event.OneLine;
import io.outboxinbox.agent.replay.Replay;
import io.outboxinbox.agent.source.outbox.StoredRows;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import net.sourceforge.argparse4j.inf.ArgumentParserException;
import net.sourceforge.argparse4j.inf.Namespace;
import org.jspecify.annotations.Nullable;

/**
 * {@code replay CONFIG --pipeline NAME}: publishes events that are still in the table again, marked
 * as a replay. Without {@code --yes} it only counts them.
 */
public final class ReplayCommand extends PipelineCommand {
  private static final Pattern RATE = Pattern.compile("([1-9][0-9]{0,5})(/s)?");
  private static final Pattern REPLAY_ID = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final int IDS_MAX = 100_000;
  private static final long ID_FILE_BYTES_MAX = 16L << 20;
  private static final Duration PROGRESS_INTERVAL = Duration.ofSeconds(2);
  private static final int SHOWN_CHARS_MAX = 300;

  private final PrintStream err;

  /**
   * Makes the command.
   *
   * @param err for progress
   */
  public ReplayCommand(PrintStream out, PrintStream err) {
    super("replay", "publishes events that are still in the table again, marked as a replay", out);
    this.err = err;
  }

  @Override
  void addOptions(Options options) {
    options
        .value("--table", "NAME", "events of this table; needed where source.tables has several")
        .value(
            "--from",
            "TIME",
            "events that happened (occurred_at) then or later, such as 2026-11-24T10:00:00Z")
        .value("--until", "TIME", "events that happened before then")
        .value("--ids", "LIST", "ids separated by commas, or the name of a file with one a line")
        .value("--aggregate-type", "TYPE", "events of this type of thing")
        .value("--aggregate-id", "ID", "events about this one")
        .value(
            "--topic",
            "TOPIC",
            "publish to this topic instead of the original one; route.allowedTopics must allow it")
        .value("--rate", "RATE", "500/s", "events a second at most (default 500/s)")
        .value(
            "--id",
            "NAME",
            "value of header "
                + HeaderNames.REPLAY_ID
                + ", of letters, digits, '.', '_' and '-'; default: a new one")
        .value("--after", "EVENT_ID", "go on behind this event, after a replay that was cut short")
        .flag("--yes", "do it; without this the command only counts")
        .command()
        .epilog(
            "Criteria add up. Messages keep their id, so a consumer that keeps ids drops what it had. "
                + ExitCode.HELP);
  }

  @Override
  void run(Namespace given, PipelineConfiguration pipeline) throws Exception {
    Replay.Order order = order(given);
    Replay replay = new Replay(pipeline);
    long rows = replay.count(order);
    out.printf(
        "%,d events to %s as replay %s, %d a second: %s%n",
        rows,
        order.topic() == null ? "their topics" : "topic " + order.topic(),
        order.id(),
        order.perSecond(),
        howLong(rows, order.perSecond()));
    if (!Boolean.TRUE.equals(given.getBoolean("yes"))) {
      out.println("nothing was published; add --yes to do it");
      return;
    }
    publish(replay, order, rows);
  }

  private void publish(Replay replay, Replay.Order order, long rows) throws Exception {
    boolean isDone = false;
    try {
      long[] shownNanos = {System.nanoTime()};
      long begunNanos = System.nanoTime();
      replay.run(
          order,
          progress -> {
            long now = System.nanoTime();
            if (now - shownNanos[0] > PROGRESS_INTERVAL.toNanos()) {
              shownNanos[0] = now;
              tell(progress, rows, now - begunNanos);
            }
          });
      isDone = true;
    } finally {
      if (!isDone) {
        err.println("cut short; the same command " + wayOn(order, replay.progress().lastId()));
      }
      sum(replay, order);
    }
    long missing =
        order.after() == null && !order.selection().ids().isEmpty()
            ? order.selection().ids().size() - replay.idsFound()
            : 0;
    if (missing > 0) {
      out.printf(
          "%,d of the ids are not in the table, or do not match the other criteria%n", missing);
    }
    if (replay.progress().refused() > 0 || missing > 0) {
      throw new ExitCode.FindingsException("some events were not published");
    }
  }

  /** Only a whole id leads on to the right place, and a shell must take it for one word. */
  static String wayOn(Replay.Order order, @Nullable String lastId) {
    @Nullable String after = lastId == null ? order.after() : lastId;
    if (after == null) {
      return "begins again with --id " + order.id();
    }
    return after.equals(OneLine.of(after))
        ? "goes on with --id %s --after='%s'".formatted(order.id(), after.replace("'", "'\\''"))
        : "begins again with --id %s; it cannot go on behind an id that is not printable: %s"
            .formatted(order.id(), shown(after));
  }

  private void tell(Replay.Progress progress, long rows, long nanos) {
    err.printf(
        "%,d of %,d, %.0f a second, last %s%n",
        progress.rows(),
        rows,
        progress.published() * 1e9 / nanos,
        progress.lastId() == null ? "-" : shown(progress.lastId()));
  }

  private void sum(Replay replay, Replay.Order order) {
    Replay.Progress progress = replay.progress();
    replay.refusals().forEach(reason -> out.println("refused: " + shown(reason)));
    long unshown = progress.refused() - replay.refusals().size();
    if (unshown > 0) {
      out.printf("%,d more were refused%n", unshown);
    }
    out.printf(
        "replay %s: %,d published, %,d refused",
        order.id(), progress.published(), progress.refused());
    leftOut(progress.parked(), "they are parked: see 'parked list'");
    leftOut(progress.discarded(), "they were discarded");
    leftOut(progress.unpublished(), "the agent has not surely published them yet");
    out.println();
    out.flush();
  }

  private void leftOut(long events, String why) {
    if (events > 0) {
      out.printf(", %,d left out because %s", events, why);
    }
  }

  private static String howLong(long rows, int perSecond) {
    Duration time = Duration.ofSeconds((rows + perSecond - 1) / perSecond);
    return time.toMinutes() == 0
        ? "less than a minute"
        : "about %d h %02d min".formatted(time.toHours(), time.toMinutesPart());
  }

  private static String shown(@Nullable String text) {
    return OneLine.of(String.valueOf(text), SHOWN_CHARS_MAX);
  }

  private static Replay.Order order(Namespace given) throws ArgumentParserException, IOException {
    StoredRows.Selection selection =
        new StoredRows.Selection(
            time(given, "from"),
            time(given, "until"),
            ids(given.getString("ids")),
            given.getString("aggregate_type"),
            given.getString("aggregate_id"));
    if (selection.equals(new StoredRows.Selection(null, null, List.of(), null, null))) {
      throw wrong(
          "say which events: --from and --until, --ids, --aggregate-type or --aggregate-id");
    }
    String id =
        Objects.requireNonNullElseGet(given.getString("id"), () -> "replay-" + UUID.randomUUID());
    if (!REPLAY_ID.matcher(id).matches()) {
      throw wrong("--id must be 1 to 64 letters, digits, '.', '_' and '-'");
    }
    return new Replay.Order(
        id,
        given.getString("table"),
        selection,
        given.getString("topic"),
        rate(given),
        given.getString("after"));
  }

  private static int rate(Namespace given) throws ArgumentParserException {
    Matcher rate = RATE.matcher(Objects.requireNonNull(given.getString("rate")));
    if (!rate.matches()) {
      throw wrong("--rate must be a number of events a second, 1 to 999999, such as 500/s");
    }
    return Integer.parseInt(rate.group(1));
  }

  private static @Nullable Instant time(Namespace given, String name)
      throws ArgumentParserException {
    @Nullable String text = given.getString(name);
    try {
      return text == null ? null : OffsetDateTime.parse(text).toInstant();
    } catch (DateTimeException e) {
      throw wrong(
          "--%s is '%s'; it must be a time such as 2026-11-24T10:00:00Z".formatted(name, text));
    }
  }

  private static List<String> ids(@Nullable String given)
      throws ArgumentParserException, IOException {
    if (given == null) {
      return List.of();
    }
    Set<String> ids = new LinkedHashSet<>();
    List<String> parts = new ArrayList<>();
    Path file = Path.of(given.length() > SHOWN_CHARS_MAX ? "" : given);
    if (Files.isRegularFile(file)) {
      if (Files.size(file) > ID_FILE_BYTES_MAX) {
        throw wrong(
            "--ids %s has %d bytes; at most %d are read"
                .formatted(given, Files.size(file), ID_FILE_BYTES_MAX));
      }
      parts.addAll(Files.readAllLines(file));
    } else {
      parts.addAll(List.of(given.split(",")));
    }
    parts.stream().map(String::strip).filter(id -> !id.isEmpty()).forEach(ids::add);
    if (ids.isEmpty() || ids.size() > IDS_MAX) {
      throw wrong("--ids has %d ids; it must be 1 to %d".formatted(ids.size(), IDS_MAX));
    }
    return List.copyOf(ids);
  }

  private static ArgumentParserException wrong(String message) {
    return new ArgumentParserException(message, null);
  }
}
