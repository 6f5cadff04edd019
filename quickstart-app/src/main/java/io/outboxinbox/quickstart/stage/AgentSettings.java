package io.outboxinbox.quickstart.stage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the agent has to know; everything else is at its default. */
public record AgentSettings(int postgresPort, String bootstrapServers, int agentPort) {
  public static final String TOPIC = "shop.order";

  /** Writes the YAML, readable for whoever wants to see what a configuration looks like. */
  public void writeTo(Path file) throws Trouble {
    try {
      Files.writeString(file, yaml());
    } catch (IOException e) {
      throw new Trouble("cannot write " + file + ": " + e.getMessage(), e);
    }
  }

  String yaml() {
    return """
        # Written by the quickstart for its agent. config/agent.example.yml explains every key.
        pipelines:
          - name: shop
            source:
              host: 127.0.0.1
              port: %d
              database: %s
              username: %s
              password: %s
              sslMode: disable
            route:
              topic: "shop.{aggregate_type}"
              allowedTopics: [%s]
            publish:
              type: kafka
              bootstrapServers: %s
              positionReplicationFactor: 1
        server:
          connector:
            type: http
            bindHost: 127.0.0.1
            port: %d
        """
        .formatted(
            postgresPort,
            Databases.SHOP,
            Databases.AGENT,
            Databases.PASSWORD,
            TOPIC,
            bootstrapServers,
            agentPort);
  }
}
