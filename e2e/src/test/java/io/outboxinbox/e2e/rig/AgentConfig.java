package io.outboxinbox.e2e.rig;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The configuration file of one agent. Values replace each other by key; the file has only what a
 * test changes and what every installation must say.
 */
public final class AgentConfig {
  public static final String PIPELINE = "ledger";

  private final Map<String, String> source = new LinkedHashMap<>();
  private final Map<String, String> route = new LinkedHashMap<>();
  private final Map<String, String> publish = new LinkedHashMap<>();
  private final Map<String, String> batch = new LinkedHashMap<>();
  private final Map<String, String> leadership = new LinkedHashMap<>();

  /** An agent from this database to this topic. */
  public static AgentConfig of(SourceDatabase database, String bootstrapServers, String topic) {
    AgentConfig config = new AgentConfig();
    config.source.put("host", "127.0.0.1");
    config.source.put("port", String.valueOf(database.port()));
    config.source.put("database", database.name());
    config.source.put("username", SourceDatabase.AGENT);
    config.source.put("password", SourceDatabase.AGENT_PASSWORD);
    config.source.put("sslMode", "disable");
    config.source.put("schema", "public");
    config.source.put("table", "outbox_event");
    config.source.put("publication", SourceDatabase.PUBLICATION);
    config.source.put("slot", SourceDatabase.SLOT);
    config.route.put("topic", topic);
    config.route.put("allowedTopics", "[\"" + topic + "\"]");
    config.publish.put("type", "kafka");
    config.publish.put("bootstrapServers", bootstrapServers);
    config.publish.put("positionReplicationFactor", "1");
    return config;
  }

  /** Sets a value of block {@code source}. */
  public AgentConfig source(String key, String value) {
    source.put(key, value);
    return this;
  }

  /** Sets a value of block {@code route}. */
  public AgentConfig route(String key, String value) {
    route.put(key, value);
    return this;
  }

  /** Sets a value of block {@code publish}. */
  public AgentConfig publish(String key, String value) {
    publish.put(key, value);
    return this;
  }

  /** Sets a value of block {@code leadership}. */
  public AgentConfig leadership(String key, String value) {
    leadership.put(key, value);
    return this;
  }

  /** Sets a value of block {@code batch}. */
  public AgentConfig batch(String key, String value) {
    batch.put(key, value);
    return this;
  }

  /** The file's text, with the agent's own pages on {@code port}. */
  String yaml(int port) {
    StringBuilder yaml = new StringBuilder("pipelines:\n  - name: " + PIPELINE + "\n");
    block(yaml, "source", source);
    block(yaml, "route", route);
    block(yaml, "publish", publish);
    block(yaml, "batch", batch);
    block(yaml, "leadership", leadership);
    yaml.append("server:\n  connector:\n    port: ").append(port).append("\n");
    return yaml.toString();
  }

  private static void block(StringBuilder yaml, String name, Map<String, String> values) {
    if (values.isEmpty()) {
      return;
    }
    yaml.append("    ").append(name).append(":\n");
    values.forEach(
        (key, value) -> yaml.append("      ").append(key).append(": ").append(value).append('\n'));
  }
}
