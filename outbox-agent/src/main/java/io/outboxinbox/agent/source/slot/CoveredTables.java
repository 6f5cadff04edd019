package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.PublicationMark.Parsed;
import io.outboxinbox.agent.source.PublicationMark.Part;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What a position says of the tables that are read now, by the publication's mark in it and the
 * mark of now. Of a table that came since, no row is published because the position has passed it.
 */
public final class CoveredTables {
  /** What a position has to do with a table. */
  public enum State {
    /** It was read when the position was written, whatever it was called then. */
    COVERED,
    /** Another table has its name now. */
    REPLACED,
    /** It was not read. */
    NEW,
    /** Nobody can tell. */
    UNKNOWN
  }

  private static final Pattern PUBLICATION = Pattern.compile("^publication \\d+/\\d+");
  private static final Pattern OF = Pattern.compile(" of (\\d+)");

  private final Map<String, State> states = new HashMap<>();

  /** Names that tables had, with what they are called now; no value where one is not read now. */
  private final Map<String, Optional<String>> names = new HashMap<>();

  private CoveredTables(SourceConfiguration source, State state) {
    source.outboxes().forEach(outbox -> states.put(outbox.name(), state));
  }

  /** Where there is no position. */
  public static CoveredTables unknown(SourceConfiguration source) {
    return new CoveredTables(source, State.UNKNOWN);
  }

  /**
   * Compares.
   *
   * @param before the position's mark
   * @param now the mark of these tables as it is now
   */
  public static CoveredTables between(SourceConfiguration source, String before, String now) {
    Parsed old = Parsed.of(before);
    Parsed current = Parsed.of(now);
    String first = source.outboxes().get(0).name();
    if (old.isOfOne() && current.isOfOne()) {
      return new CoveredTables(source, isOther(before, now) ? State.REPLACED : State.COVERED);
    }
    if (old.isOfOne()) {
      Optional<Part> only = current.only(part -> saysTheSame(before, current.own(part)));
      CoveredTables tables =
          new CoveredTables(source, only.isPresent() ? State.NEW : State.UNKNOWN);
      only.ifPresent(part -> tables.states.put(part.name(), State.COVERED));
      return tables;
    }
    CoveredTables tables = new CoveredTables(source, State.NEW);
    if (current.isOfOne()) {
      tables.take(first, old, old.only(part -> saysTheSame(old.own(part), now)));
    } else {
      current.parts().forEach(part -> tables.take(part.name(), old, old.first(part::isSameTable)));
    }
    old.parts().forEach(part -> tables.names.putIfAbsent(part.name(), Optional.empty()));
    return tables;
  }

  private void take(String name, Parsed old, Optional<Part> same) {
    if (same.isPresent()) {
      states.put(name, State.COVERED);
      names.put(same.get().name(), Optional.of(name));
    } else if (old.first(part -> part.name().equals(name)).isPresent()) {
      states.put(name, State.REPLACED);
      names.putIfAbsent(name, Optional.of(name));
    }
  }

  /** Of a table; the publication may have been altered or made anew. */
  private static boolean saysTheSame(String before, String now) {
    return PublicationMark.isSameOrMore(membership(before), membership(now));
  }

  private static String membership(String mark) {
    return PUBLICATION.matcher(mark).replaceFirst("");
  }

  private static boolean isOther(String before, String now) {
    Matcher old = OF.matcher(before);
    Matcher current = OF.matcher(now);
    return old.find() && current.find() && !old.group(1).equals(current.group(1));
  }

  /** What the position has to do with a table that is read now. */
  public State of(String table) {
    return states.getOrDefault(table, State.UNKNOWN);
  }

  /** Names of the tables of which the position is in this state. */
  public Set<String> those(State... wanted) {
    List<State> of = List.of(wanted);
    return states.entrySet().stream()
        .filter(table -> of.contains(table.getValue()))
        .map(Map.Entry::getKey)
        .collect(Collectors.toSet());
  }

  /**
   * Which of the tables a message may be of.
   *
   * @param named the table it names; null where it names none
   * @param isOurs whether this source has published it; it names no table where it had one
   */
  public Set<String> ofMessage(@Nullable String named, boolean isOurs) {
    Set<String> all = Set.copyOf(states.keySet());
    if (named != null) {
      if (names.containsKey(named)) {
        return names.getOrDefault(named, Optional.empty()).map(Set::of).orElse(Set.of());
      }
      return all.contains(named) ? Set.of(named) : all;
    }
    Set<String> came = those(State.NEW);
    if (isOurs) {
      return those(State.COVERED, State.REPLACED, State.UNKNOWN);
    }
    return came.isEmpty() ? all : came;
  }

  /** Tables that were called otherwise when the position was written, with their names of now. */
  public List<String> renamed() {
    List<String> renamed = new ArrayList<>();
    names.forEach(
        (before, now) ->
            now.filter(name -> !name.equals(before))
                .ifPresent(name -> renamed.add(before + ", now " + name)));
    renamed.sort(null);
    return renamed;
  }
}
