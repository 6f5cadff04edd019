package io.outboxinbox.agent;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Finds names on a page that are in no source: of types, members, commands, metrics, keys, files.
 */
final class DocumentedNames {
  private static final Pattern SPAN = Pattern.compile("`([^`\n]+(?:\n[^`\n]+)?)`");
  private static final Pattern OURS = Pattern.compile("\\b(?:outbox|inbox)_[a-z0-9_]*[a-z0-9]\\b");
  private static final Pattern COMMAND = Pattern.compile("outbox-agent\\.jar ([a-z]+)");
  private static final Pattern SOAK = Pattern.compile("e2e/soak ([a-z]+)");
  private static final Pattern OPTION = Pattern.compile("(?<!\\S)--[a-z][a-z-]+");
  private static final Pattern SETTING = Pattern.compile("-D([\\w.]+\\.\\w+)(?:=.*)?");
  private static final Pattern CALL = Pattern.compile("(?:new )?[A-Z]\\w*[a-z]\\w*[.(]");
  private static final Pattern TYPE =
      Pattern.compile("(?<![\\w.\"])([A-Z]\\w*[a-z]\\w*)(?:\\.(\\w+))?");
  private static final Pattern PACKAGES = Pattern.compile("^(?:[a-z]\\w*\\.)+(?=[A-Z])");
  private static final Pattern DOTTED = Pattern.compile("([a-z]\\w*(?:\\.\\w+)+)(?:=.*|\\(.*\\))?");
  private static final Pattern FILE = Pattern.compile("[\\w.-]+\\.(?:sql|md|yml|java|xml)");
  private static final Pattern PARKED = Pattern.compile("parked ([a-z]+)(?: --.*| [A-Z0-9].*)?");
  private static final Pattern ASSIGNED = Pattern.compile("([a-z]\\w*(?:\\.\\w+)*): \\S.*");
  private static final Pattern PLAIN = Pattern.compile("@?(\\w+)(?:\\(.*\\))?");

  /** As the examples name them. */
  private static final Map<String, String> VARIABLES =
      Map.of(
          "inbox", "Inbox", "consumer", "InboxConsumer", "message", "Message", "outbox", "Outbox");

  /** Names of other programs, and what a reader makes up for himself. */
  private static final Set<String> FOREIGN =
      Set.of(
          // Operations of Kafka's ACLs.
          "Create",
          "Describe",
          "DescribeConfigs",
          "Read",
          "Write",
          // Connect's, Prisma's, Liquibase's, Flyway's.
          "JsonConverter",
          "@db.Timestamptz(6)",
          "sqlFile",
          "R__outbox_...sql",
          "V1__outbox.sql",
          "V2__outbox_partitions.sql",
          "V3__outbox_publication.sql",
          "V4__outbox_agent.sql",
          // Of Kafka's tools, quotas and clients, and of Compose.
          "--property",
          "--formatter-property",
          "--max-transaction-timeout",
          "--transactional-id",
          "--build",
          "request_percentage",
          "read_uncommitted",
          // PostgreSQL's and MariaDB's.
          "pg_hba.conf",
          "recovery.signal",
          "max_allowed_packet",
          // Made by a build, or by whoever reads.
          "e2e/target/logs",
          "outbox-agent/target/outbox-agent.jar",
          "agent.yml",
          "src/test/java/.../rig",
          "outbox_event_must_be_utf8",
          "outbox_event_p20261101",
          "outbox_event_payload_at_most_4000000_bytes",
          // Not names of ours: a media type, a folder, the parts of a name, a line of /ready.
          "application/json",
          "/tmp",
          "cluster/database/publication",
          "refused: …");

  private final SourceNames sources;
  private final Set<String> commands;

  /**
   * @param commands what the agent's command line knows
   */
  DocumentedNames(SourceNames sources, Set<String> commands) {
    this.sources = sources;
    this.commands = Set.copyOf(commands);
  }

  /** What is named on this page and is nowhere else. */
  List<String> unknownIn(String page) {
    Set<String> unknown = new LinkedHashSet<>();
    add(unknown, OURS, page, sources::hasOurs);
    add(unknown, COMMAND, page, commands::contains);
    add(unknown, SOAK, page, sources::hasSoak);
    SPAN.matcher(Documents.prose(page))
        .results()
        .map(span -> span.group(1).replaceAll("\\s+", " "))
        .filter(span -> !FOREIGN.contains(span))
        .flatMap(this::unknownInSpan)
        .forEach(unknown::add);
    return List.copyOf(unknown);
  }

  private static void add(
      Collection<String> unknown, Pattern pattern, String page, Predicate<String> isKnown) {
    pattern
        .matcher(page)
        .results()
        .map(found -> found.group(found.groupCount()))
        .filter(name -> !FOREIGN.contains(name) && !isKnown.test(name))
        .forEach(unknown::add);
  }

  private Stream<String> unknownInSpan(String span) {
    String code = PACKAGES.matcher(span.replaceFirst("^public\\.", "")).replaceFirst("");
    if (CALL.matcher(code).lookingAt()) {
      return TYPE.matcher(code)
          .results()
          .filter(found -> !isTypeKnown(found))
          .map(MatchResult::group);
    }
    if (code.indexOf(' ') >= 0) {
      return unknownInPhrase(code);
    }
    return isKnown(code) ? Stream.empty() : Stream.of(code);
  }

  private boolean isTypeKnown(MatchResult found) {
    String member = found.group(2);
    return sources.hasType(found.group(1))
        && (member == null || sources.hasMember(found.group(1), member));
  }

  /** A phrase is a message, a statement or a command: words of it may be names. */
  private Stream<String> unknownInPhrase(String phrase) {
    List<String> unknown = new ArrayList<>();
    if (!phrase.matches("[\\w-]+\\.sh .*")) {
      add(unknown, OPTION, phrase, sources::hasOption);
    }
    Matcher assigned = ASSIGNED.matcher(phrase);
    if (assigned.matches() && !isKey(assigned.group(1))) {
      unknown.add(assigned.group(1));
    }
    Matcher parked = PARKED.matcher(phrase);
    if (parked.matches() && !sources.hasAction(parked.group(1))) {
      unknown.add(phrase);
    }
    return unknown.stream();
  }

  private boolean isKey(String name) {
    return name.indexOf('.') < 0 ? sources.hasKeyNamed(name) : sources.hasKey(name);
  }

  private boolean isKnown(String name) {
    if (sources.hasFile(name)) {
      return true;
    }
    if (name.startsWith("--")) {
      return sources.hasOption(name);
    }
    Matcher setting = SETTING.matcher(name);
    if (setting.matches()) {
      return sources.hasDotted(setting.group(1));
    }
    Matcher type = TYPE.matcher(name);
    if (type.matches()) {
      return isTypeKnown(type.toMatchResult());
    }
    if (name.indexOf('/') >= 0 || FILE.matcher(name).matches()) {
      return sources.hasLiteral(name);
    }
    Matcher dotted = DOTTED.matcher(name);
    if (dotted.matches()) {
      return isDottedKnown(dotted.group(1));
    }
    Matcher plain = PLAIN.matcher(name);
    return !plain.matches()
        || OURS.matcher(plain.group(1)).matches() // was looked at, wherever it stands
        || sources.hasWord(plain.group(1));
  }

  private boolean isDottedKnown(String name) {
    int dot = name.indexOf('.');
    String variable = VARIABLES.get(name.substring(0, dot));
    boolean isMember = variable != null && sources.hasMember(variable, name.substring(dot + 1));
    return isMember || sources.hasKey(name) || sources.hasDotted(name);
  }
}
