package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.OutboxEvent;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Which topics a row may reach. A row's content is not trusted: without these rules a tenant could
 * write the agent's own positions or the broker's internal topics.
 */
final class TopicRules {
  /** Kafka's limit on topic names. */
  static final int NAME_CHARS_MAX = 249;

  /**
   * Verdicts kept, so that the usual event costs one look-up. A guess: more topics than a pipeline
   * has, few enough that rows with made-up topics cannot fill the heap.
   */
  private static final int CACHED_MAX = 4096;

  private final List<String> allowed;
  private final Set<String> reserved;
  private final Set<String> knownGood = ConcurrentHashMap.newKeySet();

  /**
   * Checks the patterns.
   *
   * @throws IllegalArgumentException a pattern that no topic can match, or no pattern at all
   */
  TopicRules(List<String> allowed, List<String> reserved) {
    this.allowed = List.copyOf(allowed);
    this.reserved = Set.copyOf(reserved);
    if (allowed.isEmpty()) {
      throw new IllegalArgumentException(
          "route.allowedTopics is empty: every event would be rejected; name the topics, or patterns with *");
    }
    for (String pattern : allowed) {
      String name = pattern.replace("*", "");
      @Nullable String problem = isPattern(pattern) ? patternProblem(name) : ruleBrokenBy(pattern);
      if (problem != null) {
        throw new IllegalArgumentException(
            "route.allowedTopics: '%s' %s; correct or remove it".formatted(pattern, problem));
      }
    }
  }

  private static @Nullable String patternProblem(String literals) {
    return literals.chars().allMatch(TopicRules::isNameChar)
        ? null
        : "has characters outside [a-zA-Z0-9._-] and *";
  }

  /** Entries of the allow-list that are names, not patterns. */
  List<String> fixedTopics() {
    return allowed.stream().filter(pattern -> !isPattern(pattern)).toList();
  }

  /** Returns the topic if the event may go there, else rejects the event. */
  String allowedTopic(String topic, OutboxEvent event) {
    if (knownGood.contains(topic)) {
      return topic;
    }
    @Nullable String problem = problemWith(topic);
    if (problem != null) {
      throw Rejection.of(
          event,
          "topic " + Rejection.shown(topic) + " " + problem,
          "correct the row's topic, route.topic or route.allowedTopics");
    }
    if (knownGood.size() < CACHED_MAX) {
      knownGood.add(topic);
    }
    return topic;
  }

  /** Why no event may go to the topic; null if it may. */
  @Nullable String problemWith(String topic) {
    @Nullable String broken = ruleBrokenBy(topic);
    if (broken != null) {
      return broken;
    }
    return allowed.stream().anyMatch(pattern -> matches(pattern, topic))
        ? null
        : "matches none of route.allowedTopics " + allowed;
  }

  /** Whether events may go to a topic, or might have under one of these patterns. */
  boolean mayHaveReached(String topic, Collection<String> former) {
    return ruleBrokenBy(topic) == null
        && Stream.concat(allowed.stream(), former.stream())
            .anyMatch(pattern -> matches(pattern, topic));
  }

  List<String> allowed() {
    return allowed;
  }

  private @Nullable String ruleBrokenBy(String topic) {
    if (topic.isEmpty() || topic.length() > NAME_CHARS_MAX) {
      return "has %d characters, allowed are 1 to %d".formatted(topic.length(), NAME_CHARS_MAX);
    }
    if (!topic.chars().allMatch(TopicRules::isNameChar)) {
      return "has characters outside [a-zA-Z0-9._-]";
    }
    if (topic.equals(".") || topic.equals("..")) {
      return "is no name to a broker";
    }
    if (topic.startsWith("__")) {
      return "starts with __, which marks internal topics of the broker";
    }
    return reserved.contains(topic) ? "belongs to the agent itself" : null;
  }

  static boolean isNameChar(int c) {
    return (c >= 'a' && c <= 'z')
        || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9')
        || c == '.'
        || c == '_'
        || c == '-';
  }

  private static boolean isPattern(String entry) {
    return entry.indexOf('*') >= 0;
  }

  /**
   * Matches with {@code *} for any run of characters. Goes back only to the last star, so time is
   * bounded by length times length, which a regular expression with several stars does not promise.
   */
  static boolean matches(String pattern, String topic) {
    int inPattern = 0;
    int inTopic = 0;
    int star = -1;
    int starTook = 0;
    while (inTopic < topic.length()) {
      if (inPattern < pattern.length() && pattern.charAt(inPattern) == '*') {
        star = inPattern++;
        starTook = inTopic;
      } else if (inPattern < pattern.length()
          && pattern.charAt(inPattern) == topic.charAt(inTopic)) {
        inPattern++;
        inTopic++;
      } else if (star >= 0) {
        inPattern = star + 1;
        inTopic = ++starTook;
      } else {
        return false;
      }
    }
    while (inPattern < pattern.length() && pattern.charAt(inPattern) == '*') {
      inPattern++;
    }
    return inPattern == pattern.length();
  }
}
