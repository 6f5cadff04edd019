package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Finding;
import io.outboxinbox.inbox.InboxRetention;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Warns where a topic keeps messages longer than the inbox remembers them: reading it again from
 * the start would meet messages nobody knows any more. Asks the broker on a thread of its own.
 */
final class RetentionCheck {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private static final long ANSWERS_WITHIN_SECONDS = 30;

  private final @Nullable InboxRetention remembered;
  private final Broker broker;
  private final Set<String> seen = new HashSet<>();
  private final List<String> findings = new CopyOnWriteArrayList<>();

  /**
   * Makes a check.
   *
   * @param remembered null for no check
   */
  RetentionCheck(@Nullable InboxRetention remembered, Broker broker) {
    this.remembered = remembered;
    this.broker = broker;
  }

  /** One line for each topic that does not fit; grows while the broker answers. */
  List<String> findings() {
    return List.copyOf(findings);
  }

  /** Looks at topics that were not looked at yet, and returns at once. */
  synchronized void look(Collection<String> topics) {
    InboxRetention known = remembered;
    List<String> fresh = topics.stream().distinct().filter(seen::add).toList();
    if (known != null && !fresh.isEmpty()) {
      Thread thread = new Thread(() -> ask(fresh, known), "inbox-retention-check");
      thread.setDaemon(true);
      thread.start();
    }
  }

  private void ask(List<String> topics, InboxRetention known) {
    try {
      List<ConfigResource> resources = new ArrayList<>();
      topics.forEach(topic -> resources.add(new ConfigResource(ConfigResource.Type.TOPIC, topic)));
      Map<ConfigResource, Config> configs =
          broker
              .admin()
              .describeConfigs(resources)
              .all()
              .get(ANSWERS_WITHIN_SECONDS, TimeUnit.SECONDS);
      configs.forEach((resource, config) -> judge(resource.name(), config, known));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException | RuntimeException | Error e) {
      if (broker.isClosed()) {
        return;
      }
      Throwable reason = e.getCause() == null ? e : e.getCause();
      add("cannot compare the retention of " + topics + " with the inbox's: " + reason);
    }
  }

  private void judge(String topic, Config config, InboxRetention known) {
    String policy = value(config, TopicConfig.CLEANUP_POLICY_CONFIG);
    String retention = value(config, TopicConfig.RETENTION_MS_CONFIG);
    // A compacted topic keeps the last message of each key.
    boolean isCompacted = !policy.contains(TopicConfig.CLEANUP_POLICY_DELETE);
    boolean isForEver = isCompacted || retention.equals("-1");
    if (isForEver || !retention.isEmpty()) {
      String what = "topic " + topic + (isCompacted ? " (compacted)" : "");
      Duration kept = isForEver ? null : Duration.ofMillis(Long.parseLong(retention));
      known.checkAgainst(what, kept).map(Finding::toString).ifPresent(this::add);
    }
  }

  private static String value(Config config, String name) {
    ConfigEntry entry = config.get(name);
    return entry == null || entry.value() == null ? "" : entry.value();
  }

  private void add(String finding) {
    findings.add(finding);
    log.warn("{}", finding);
  }
}
