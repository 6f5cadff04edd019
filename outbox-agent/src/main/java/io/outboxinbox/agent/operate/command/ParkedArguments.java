package io.outboxinbox.agent.operate.command;

import io.dropwizard.util.Duration;
import io.outboxinbox.agent.operate.DeskChange;
import io.outboxinbox.agent.operate.DeskChange.Field;
import io.outboxinbox.agent.operate.DeskFilter;
import io.outboxinbox.agent.operate.DeskFilter.State;
import io.outboxinbox.agent.operate.DeskSelection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import net.sourceforge.argparse4j.inf.ArgumentParserException;
import net.sourceforge.argparse4j.inf.Namespace;
import net.sourceforge.argparse4j.inf.Subparser;
import net.sourceforge.argparse4j.inf.Subparsers;
import org.jspecify.annotations.Nullable;

/** The arguments of command {@code parked}: declares them, and reads what was given. */
record ParkedArguments(Namespace given, Clock clock) {
  private static final int PAGE_DEFAULT = 50;
  private static final int PAGE_MAX = 10_000;
  private static final int ORDINALS_MAX = 1_000;

  /** Far above what brokers take; keeps a wrong file name from filling the heap. */
  private static final long PAYLOAD_BYTES_MAX = 64L << 20;

  private static final String ORDINAL = "ordinal";
  private static final String REASON = "--reason";

  static void declare(Subparser command) {
    Subparsers actions = command.addSubparsers().dest("action").title("actions").metavar("ACTION");
    filters(action(actions, "list", "shows parked events, newest last, without payloads"))
        .value(
            "--state",
            "STATE",
            "waiting",
            "waiting (default), requested, released, discarded or all")
        .value("--limit", "LIMIT", PAGE_DEFAULT, "at most so many (default " + PAGE_DEFAULT + ")")
        .value("--after", "ORDINAL", 0L, "go on behind this one");

    ordinal(action(actions, "show", "shows one event: columns, hash of the payload, edits"))
        .flag("--payload", "write the payload, and nothing else, to standard output")
        .value("--out", "FILE", "write the payload to a new file");

    requesting(
        selection(
            action(
                actions,
                "release",
                "asks the leading agent to publish events; those behind them follow by themselves")));

    requesting(
        ordinals(
                action(actions, "discard", "asks the leading agent to give events up for ever"),
                "+")
            .required(REASON, "TEXT", "why consumers need not have them; kept with the event"));

    selection(action(actions, "cancel", "takes requests back that are not begun"));

    declareEdit(action(actions, "edit", "corrects one event; what it was before is kept"));

    action(actions, "purge", "deletes settled events and the story of their edits")
        .required(
            "--older-than",
            "DURATION",
            "settled longer ago than this, such as 30d; what waits is never deleted")
        .flag("--yes", "needed; else the command only says how many it would be");
  }

  private static void declareEdit(Options edit) {
    ordinal(edit)
        .required(REASON, "TEXT", "why; kept with the old value")
        .value("--payload-file", "FILE", "new payload, taken as it is")
        .values("--header", "NAME=VALUE", "set a header; may be given several times")
        .values("--remove-header", "NAME", "remove it")
        .flag(
            "--clear-headers", "remove all of them first; the way out when they are no JSON object")
        .value("--topic", "TOPIC", "topic for this event alone; route.allowedTopics must allow it")
        .flag("--no-topic", "remove its own topic: the route decides")
        .value("--type", "TYPE", "event type")
        .value("--content-type", "CONTENT_TYPE", "media type of the payload")
        .value("--aggregate-type", "AGGREGATE_TYPE", "usually names the topic")
        .value("--aggregate-id", "AGGREGATE_ID", "usually the message key: see --change-key")
        .value("--id", "ID", "only where the event has none")
        .values("--column", "NAME=VALUE", "one of source.extraColumns")
        .flag(
            "--change-key",
            "allow what changes the message key: the event leaves the order of its old key");
    by(edit);
  }

  private static Options action(Subparsers actions, String name, String help) {
    Subparser action = actions.addParser(name).help(help).description(help).epilog(ExitCode.HELP);
    action.addArgument("file").help("configuration of the agent");
    return new Options(action).pipeline();
  }

  private static Options ordinal(Options action) {
    action.command().addArgument(ORDINAL).type(Long.class).help("number as in the list");
    return action;
  }

  private static Options ordinals(Options action, String count) {
    action
        .command()
        .addArgument(ORDINAL)
        .nargs(count)
        .type(Long.class)
        .help("numbers as in the list");
    return action;
  }

  private static Options selection(Options action) {
    return filters(ordinals(action, "*"))
        .flag("--all", "everything that waits")
        .flag("--yes", "needed without numbers; else the command only says how many it would be");
  }

  private static Options filters(Options action) {
    return action
        .value("--table", "NAME", "of this table")
        .value("--key", "KEY", "message key as the list has it; that of a char(n) with its blanks")
        .value("--topic", "TOPIC", "where the event would go")
        .value("--type", "TYPE", "event type")
        .value(REASON, "TEXT", "part of the reason")
        .value(
            "--since",
            "WHEN",
            "parked since: a time such as 2026-11-24T10:00:00Z, or 2h for two hours ago");
  }

  private static void requesting(Options action) {
    by(
        action
            .flag("--wait", "wait until it is done, and say what became of them")
            .value(
                "--timeout",
                "DURATION",
                "60s",
                "how long to wait (default 60s); the request stands whatever happens"));
  }

  private static void by(Options action) {
    action.value(
        "--by",
        "NAME",
        System.getProperty("user.name", ""),
        "who asks; default: the user of the operating system");
  }

  String action() {
    return text("action");
  }

  String by() throws ArgumentParserException {
    return notBlank("by");
  }

  String reason() throws ArgumentParserException {
    return notBlank("reason");
  }

  boolean has(String flag) {
    return Boolean.TRUE.equals(given.getBoolean(flag));
  }

  long ordinal() {
    return Objects.requireNonNull(given.getLong(ORDINAL));
  }

  long after() {
    return Objects.requireNonNull(given.getLong("after"));
  }

  int limit() throws ArgumentParserException {
    int limit = Objects.requireNonNull(given.getInt("limit"));
    if (limit < 1 || limit > PAGE_MAX) {
      throw wrong("--limit is %d; it must be 1 to %d".formatted(limit, PAGE_MAX));
    }
    return limit;
  }

  @Nullable String out() {
    return given.getString("out");
  }

  java.time.Duration timeout() throws ArgumentParserException {
    return duration("timeout");
  }

  java.time.Duration olderThan() throws ArgumentParserException {
    return duration("older_than");
  }

  /** The filter of {@code list}. */
  DeskFilter filter() throws ArgumentParserException {
    String state = text("state").toUpperCase(Locale.ROOT);
    try {
      return filter(State.valueOf(state));
    } catch (IllegalArgumentException e) {
      throw wrong(
          "--state is %s; it must be waiting, requested, released, discarded or all"
              .formatted(text("state")));
    }
  }

  private DeskFilter filter(State state) throws ArgumentParserException {
    return new DeskFilter(
        state,
        given.getString("table"),
        given.getString("key"),
        given.getString("topic"),
        given.getString("type"),
        given.getString("reason"),
        since());
  }

  /** Numbers, or a filter, or everything; exactly one of the three. */
  DeskSelection selection(State state) throws ArgumentParserException {
    List<Long> ordinals = ordinals();
    DeskFilter filter = filter(state);
    boolean hasFilter = !filter.equals(DeskFilter.of(state));
    int ways = (ordinals.isEmpty() ? 0 : 1) + (hasFilter ? 1 : 0) + (has("all") ? 1 : 0);
    if (ways != 1) {
      throw wrong(
          "name events by their numbers, or by a filter such as --key, or take --all; %s"
              .formatted(ways == 0 ? "there is none of these" : "there is more than one of these"));
    }
    return ordinals.isEmpty()
        ? new DeskSelection.Matching(filter)
        : new DeskSelection.Ordinals(ordinals);
  }

  DeskSelection.Ordinals numbers() throws ArgumentParserException {
    return new DeskSelection.Ordinals(ordinals());
  }

  private List<Long> ordinals() throws ArgumentParserException {
    @Nullable List<Long> ordinals = given.getList(ORDINAL);
    if (ordinals == null) {
      return List.of();
    }
    if (ordinals.size() > ORDINALS_MAX) {
      throw wrong(
          "%d numbers; give at most %d at a time, or a filter"
              .formatted(ordinals.size(), ORDINALS_MAX));
    }
    return ordinals.stream().distinct().toList();
  }

  DeskChange change() throws ArgumentParserException, IOException {
    Map<Field, String> values = new EnumMap<>(Field.class);
    put(values, Field.EVENT_ID, "id");
    put(values, Field.AGGREGATE_TYPE, "aggregate_type");
    put(values, Field.AGGREGATE_ID, "aggregate_id");
    put(values, Field.EVENT_TYPE, "type");
    put(values, Field.CONTENT_TYPE, "content_type");
    put(values, Field.TOPIC, "topic");
    if (values.containsKey(Field.TOPIC) && has("no_topic")) {
      throw wrong("--topic and --no-topic contradict each other");
    }
    DeskChange change =
        new DeskChange(
            values,
            has("no_topic"),
            pairs("header"),
            list("remove_header"),
            has("clear_headers"),
            pairs("column"),
            payload(),
            has("change_key"));
    if (change.isEmpty()) {
      throw wrong("nothing to change; give --payload-file, --header, --topic or another of them");
    }
    return change;
  }

  private void put(Map<Field, String> values, Field field, String name)
      throws ArgumentParserException {
    if (given.getString(name) != null) {
      values.put(field, notBlank(name));
    }
  }

  private Map<String, String> pairs(String name) throws ArgumentParserException {
    Map<String, String> pairs = new LinkedHashMap<>();
    for (String pair : list(name)) {
      int equals = pair.indexOf('=');
      if (equals < 1) {
        throw wrong("--%s must be NAME=VALUE".formatted(name));
      }
      pairs.put(pair.substring(0, equals), pair.substring(equals + 1));
    }
    return pairs;
  }

  private List<String> list(String name) {
    @Nullable List<String> list = given.getList(name);
    return list == null ? List.of() : list;
  }

  private byte @Nullable [] payload() throws IOException, ArgumentParserException {
    @Nullable String name = given.getString("payload_file");
    if (name == null) {
      return null;
    }
    Path file = Path.of(name);
    if (!Files.isReadable(file)) {
      throw wrong("--payload-file %s cannot be read".formatted(name));
    }
    long bytes = Files.size(file);
    if (bytes > PAYLOAD_BYTES_MAX) {
      throw wrong(
          "--payload-file %s has %d bytes; at most %d are taken"
              .formatted(name, bytes, PAYLOAD_BYTES_MAX));
    }
    return Files.readAllBytes(file);
  }

  private @Nullable Instant since() throws ArgumentParserException {
    @Nullable String text = given.getString("since");
    if (text == null) {
      return null;
    }
    try {
      return OffsetDateTime.parse(text).toInstant();
    } catch (DateTimeException notATime) {
      return clock.instant().minus(duration("since"));
    }
  }

  private java.time.Duration duration(String name) throws ArgumentParserException {
    String text = text(name);
    try {
      return Duration.parse(text).toJavaDuration();
    } catch (IllegalArgumentException e) {
      throw wrong(
          "%s is '%s'; it must be a number with a unit: ms, s, m, h or d"
              .formatted(option(name), text));
    }
  }

  private String notBlank(String name) throws ArgumentParserException {
    String text = text(name);
    if (text.isBlank()) {
      throw wrong(option(name) + " must not be empty");
    }
    return text;
  }

  private static String option(String name) {
    return "--" + name.replace('_', '-');
  }

  private String text(String name) {
    return Objects.requireNonNull(given.getString(name), name);
  }

  /** The parser only prints usage, which a command that runs already does not need. */
  private static ArgumentParserException wrong(String message) {
    return new ArgumentParserException(message, null);
  }
}
