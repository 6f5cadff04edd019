package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.dropwizard.validation.selfvalidating.SelfValidating;
import io.dropwizard.validation.selfvalidating.SelfValidation;
import io.dropwizard.validation.selfvalidating.ViolationCollector;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.route.RouteConfiguration;
import io.outboxinbox.agent.route.Router;
import io.outboxinbox.agent.route.RowTemplate;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.TableConfiguration;
import jakarta.validation.Valid;
import jakarta.validation.constraints.NotNull;
import jakarta.validation.constraints.Pattern;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.hibernate.validator.constraints.Range;
import org.hibernate.validator.constraints.time.DurationMax;
import org.hibernate.validator.constraints.time.DurationMin;
import org.jspecify.annotations.Nullable;

/**
 * One entry of {@code pipelines}: the outbox tables of one publication to one broker.
 *
 * @param name in logs, metrics, health and ce_source
 */
@SelfValidating
public record PipelineConfiguration(
    @NotNull(message = NAME_RULE) @Pattern(regexp = "[a-z0-9][a-z0-9_-]{0,62}", message = NAME_RULE)
        String name,
    @Valid SourceConfiguration source,
    @Valid RouteConfiguration route,
    @Valid @NotNull(message = "must be the broker's block, such as type: kafka")
        PublishConfiguration publish,
    @Valid BatchConfiguration batch,
    @Valid LeadershipConfiguration leadership,
    @Valid RetryConfiguration retry,
    @Valid ParkingConfiguration parking,
    @Valid WalConfiguration wal,
    @Valid RetentionConfiguration retention) {
  private static final String NAME_RULE =
      "must start with a-z or 0-9 and have at most 63 of a-z, 0-9, _ and -";

  /** The same pipeline with this source. */
  public PipelineConfiguration withSource(SourceConfiguration other) {
    return new PipelineConfiguration(
        name, other, route, publish, batch, leadership, retry, parking, wal, retention);
  }

  /** Faults that need more than one block to see. */
  @SelfValidation
  public void checkTogether(ViolationCollector faults) {
    checkRetention(faults);
    checkWal(faults);
    if (route.allowedTopics() != null) {
      routedTables().forEach(table -> checkRoute(table, faults));
    }
  }

  /**
   * A table and how its rows are routed.
   *
   * @param own its entry of {@code source.tables}; null where there is no list
   * @param index of the entry
   */
  private record RoutedTable(
      OutboxTable table, RouteConfiguration route, @Nullable TableConfiguration own, int index) {

    /** Where the configuration says it: in the entry, or else in the block for all. */
    String path(String key) {
      boolean isOwn =
          own != null
              && switch (key) {
                case "topic" -> own.topic() != null;
                case "key" -> own.key() != null;
                case "allowedTopics" -> own.allowedTopics() != null;
                default -> false;
              };
      return isOwn ? "source.tables[%d].%s".formatted(index, key) : "route." + key;
    }

    String extraColumns() {
      return own == null
          ? "source.extraColumns " + table.extraColumns()
          : "extraColumns %s of table %s".formatted(table.extraColumns(), table.name());
    }
  }

  private List<RoutedTable> routedTables() {
    List<OutboxTable> outboxes = source.outboxes();
    @Nullable List<TableConfiguration> own = source.tables();
    if (own == null) {
      return List.of(new RoutedTable(outboxes.get(0), route, null, 0));
    }
    if (own.isEmpty() || own.stream().anyMatch(Objects::isNull)) {
      // Faults of their own.
      return List.of();
    }
    return IntStream.range(0, own.size())
        .mapToObj(
            i -> {
              TableConfiguration one = own.get(i);
              return new RoutedTable(
                  outboxes.get(i), route.with(one.topic(), one.key(), one.allowedTopics()), one, i);
            })
        .toList();
  }

  private void checkRoute(RoutedTable table, ViolationCollector faults) {
    List<String> reserved = publish == null ? List.of() : publish.reservedTopics();
    List<String> allowed = table.route().allowedTopics();
    for (int i = 0; i < allowed.size(); i++) {
      if (reserved.contains(allowed.get(i))) {
        faults.addViolation(
            table.path("allowedTopics") + "[" + i + "]",
            "must not be a topic of the agent itself: a row could forge its position");
      }
    }
    boolean isTopicReadable = checkTemplate(table, "topic", table.route().topic(), faults);
    boolean isKeyReadable = checkTemplate(table, "key", table.route().key(), faults);
    if (isTopicReadable && isKeyReadable) {
      checkRouter(table, faults);
    }
  }

  private void checkRetention(ViolationCollector faults) {
    boolean hasOurTable = source.outboxes().stream().anyMatch(OutboxTable::isOurs);
    boolean isOn = retention != null && retention.keep() != null && !retention.keep().equals("off");
    if (isOn && !hasOurTable) {
      faults.addViolation(
          "retention.keep",
          "must be off: only table %s of schema/postgresql has partitions to drop, and source reads %s"
              .formatted(
                  OutboxTable.OURS,
                  source.outboxes().stream()
                      .map(PipelineConfiguration::nameAndLayout)
                      .collect(Collectors.joining(", "))));
    }
  }

  private static String nameAndLayout(OutboxTable table) {
    return "%s with layout %s"
        .formatted(table.name(), table.layout().name().toLowerCase(Locale.ROOT));
  }

  private void checkWal(ViolationCollector faults) {
    boolean releases = wal != null && wal.whenSpent() == WhenSpent.RELEASE;
    if (releases && source.onGap() != SourceConfiguration.OnGap.RECONCILE) {
      faults.addViolation(
          "wal.whenSpent",
          "release needs source.onGap: reconcile; else the pipeline would stop at the missing slot");
    }
  }

  private boolean checkTemplate(
      RoutedTable table, String key, String text, ViolationCollector faults) {
    try {
      for (String column : RowTemplate.parse(text).columns()) {
        if (!table.table().extraColumns().contains(column)) {
          faults.addViolation(
              table.path(key),
              "must name columns that are read: '%s' is none of aggregate_type, aggregate_id, event_type, id and %s"
                  .formatted(column, table.extraColumns()));
          return false;
        }
      }
      return true;
    } catch (IllegalArgumentException e) {
      faults.addViolation(table.path(key), String.valueOf(e.getMessage()));
      return false;
    }
  }

  /** The router knows best what can never work; its message begins with the key. */
  private void checkRouter(RoutedTable table, ViolationCollector faults) {
    try {
      new Router(table.route(), name, List.of());
    } catch (IllegalArgumentException e) {
      String[] parts = String.valueOf(e.getMessage()).split(": ", 2);
      boolean hasKey = parts.length == 2 && parts[0].matches("route\\.[a-zA-Z]+");
      faults.addViolation(
          hasKey ? table.path(parts[0].substring("route.".length())) : "route",
          hasKey ? parts[1] : parts[0]);
    }
  }

  /** Whether positions are kept in the source database, which then needs a table for them. */
  public boolean needsPositions() {
    return publish.needsPositions();
  }

  /** Where events go, as this configuration says. */
  public Router router() {
    Map<String, RouteConfiguration> routes = routes();
    if (routes.size() == 1) {
      return new Router(routes.values().iterator().next(), name, publish.reservedTopics());
    }
    return new Router(route, routes, name, publish.reservedTopics());
  }

  /** How rows are routed, by table, in the order of the configuration. */
  public Map<String, RouteConfiguration> routes() {
    Map<String, RouteConfiguration> routes = new LinkedHashMap<>();
    routedTables().forEach(table -> routes.put(table.table().name(), table.route()));
    return routes;
  }

  /** How topics are chosen where a row has none of its own, by table. */
  public Map<String, String> topicTemplates() {
    return templates(RouteConfiguration::topic);
  }

  /** How message keys are made, by table, in the same order. */
  public Map<String, String> keyTemplates() {
    return templates(RouteConfiguration::key);
  }

  private Map<String, String> templates(Function<RouteConfiguration, String> of) {
    Map<String, String> templates = new LinkedHashMap<>();
    routes().forEach((table, route) -> templates.put(table, of.apply(route)));
    return templates;
  }

  /** What the configuration allows but leaves a connection open to others. */
  public List<Finding> cautions() {
    return Stream.concat(source.cautions().stream(), publish.cautions().stream()).toList();
  }

  /**
   * Block {@code batch}.
   *
   * @param maxEvents at most this many events in one broker transaction, unless a single database
   *     transaction is larger
   * @param atomicEvents a database transaction of up to this many events becomes visible at once; a
   *     larger one is split
   * @param atomicBytes the same bound in bytes; this much heap may be held back, and this much goes
   *     into one broker transaction
   */
  public record BatchConfiguration(
      @JsonProperty(defaultValue = "5000")
          @Range(min = 1, max = 100_000, message = "must be 1 to 100000")
          int maxEvents,
      @JsonProperty(defaultValue = "10000")
          @Range(min = 1, max = 1_000_000, message = "must be 1 to 1000000")
          int atomicEvents,
      @JsonProperty(defaultValue = "16MiB")
          @Range(min = 1 << 10, max = 1L << 30, message = "must be 1KiB to 1GiB")
          long atomicBytes) {}

  /**
   * Block {@code parking}: events that cannot be published are set aside, with what follows them
   * under the same key.
   *
   * @param perMinute more rejected events than this within a minute are a flood: the pipeline waits
   *     instead of parking them
   * @param unknownTopic what becomes of an event whose topic does not exist
   */
  public record ParkingConfiguration(
      @JsonProperty(defaultValue = "600")
          @Range(min = 1, max = 100_000, message = "must be 1 to 100000")
          int perMinute,
      @JsonProperty(defaultValue = "park") UnknownTopic unknownTopic) {}

  /** What becomes of an event whose topic does not exist. */
  public enum UnknownTopic {
    /** As of any other event that is rejected. */
    PARK,
    /** Everything waits until somebody has created it. */
    WAIT
  }

  /**
   * Block {@code leadership}.
   *
   * @param pulseInterval how often the leader writes its sign of life, which is also the canary
   *     that moves the slot of an idle outbox
   * @param takeoverAfter a leader without a sign of life for this long is replaced
   * @param stallAfter the leader starts over when its own pulse does not come back through the log
   *     for this long
   */
  @SelfValidating
  public record LeadershipConfiguration(
      @JsonProperty(defaultValue = "1s")
          @DurationMin(millis = 100, message = "must be 100ms to 60s")
          @DurationMax(seconds = 60, message = "must be 100ms to 60s")
          Duration pulseInterval,
      @JsonProperty(defaultValue = "5s") @DurationMax(minutes = 10, message = "must be at most 10m")
          Duration takeoverAfter,
      @JsonProperty(defaultValue = "15s")
          @DurationMax(minutes = 10, message = "must be at most 10m")
          Duration stallAfter) {
    /** One late pulse is weather, two are a bad day; three in a row are a dead leader. */
    private static final int PULSES_MISSED_MIN = 3;

    /** A lock that is free costs consumers as long as it takes to notice. */
    private static final int LOOKS_PER_PULSE = 5;

    /** How often a standby tries the lock: two small queries each time. */
    public Duration standbyInterval() {
      return pulseInterval.dividedBy(LOOKS_PER_PULSE);
    }

    /** Faults that need more than one key to see. */
    @SelfValidation
    public void checkTogether(ViolationCollector faults) {
      Duration shortest = pulseInterval.multipliedBy(PULSES_MISSED_MIN);
      String rule = "must be at least %d times pulseInterval".formatted(PULSES_MISSED_MIN);
      if (takeoverAfter.compareTo(shortest) < 0) {
        faults.addViolation("takeoverAfter", rule);
      }
      if (stallAfter.compareTo(shortest) < 0) {
        faults.addViolation("stallAfter", rule);
      }
    }
  }

  /**
   * Block {@code wal}.
   *
   * @param budgetBytes alarms come at parts of this, or of the server's max_slot_wal_keep_size if
   *     that is less; 0 for the server's alone
   * @param whenSpent what happens when all of it is used and nobody reads the slot
   */
  public record WalConfiguration(
      @JsonProperty(defaultValue = "0B")
          @Range(min = 0, max = 1L << 50, message = "must be 0B to 1024TiB")
          long budgetBytes,
      @JsonProperty(defaultValue = "warn") WhenSpent whenSpent) {}

  /** What happens when the log kept for the slot has used its budget. */
  public enum WhenSpent {
    /** Nothing but the warnings. */
    WARN,
    /** The slot is dropped, and what it would have brought comes from the table later. */
    RELEASE
  }

  /**
   * Block {@code retry}: exponential with jitter, for ever.
   *
   * @param initial first wait
   * @param max longest wait
   */
  @SelfValidating
  public record RetryConfiguration(
      @JsonProperty(defaultValue = "500ms")
          @DurationMin(millis = 10, message = "must be 10ms to 10m")
          @DurationMax(minutes = 10, message = "must be 10ms to 10m")
          Duration initial,
      @JsonProperty(defaultValue = "30s")
          @DurationMax(minutes = 10, message = "must be at most 10m")
          Duration max) {

    /** Faults that need more than one key to see. */
    @SelfValidation
    public void checkTogether(ViolationCollector faults) {
      if (max.compareTo(initial) < 0) {
        faults.addViolation("max", "must be at least retry.initial");
      }
    }
  }
}
