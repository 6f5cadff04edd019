package io.outboxinbox.agent.source;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** The agent's own tables beside the outbox. */
public final class AgentTables {
  /** Table to the privileges the agent uses on it. */
  public static final Map<String, List<String>> PRIVILEGES =
      Map.of(
          "outbox_agent_source", List.of("SELECT", "INSERT", "UPDATE"),
          "outbox_backlog", List.of("SELECT", "INSERT", "DELETE"),
          "outbox_parked", List.of("SELECT", "INSERT", "UPDATE", "DELETE"),
          "outbox_parked_edit", List.of("SELECT", "INSERT", "UPDATE", "DELETE"),
          "outbox_reconciliation", List.of("SELECT", "INSERT", "UPDATE"),
          "outbox_phantom", List.of("SELECT", "INSERT", "UPDATE", "DELETE"));

  /** The same of what only brokers need that cannot remember positions themselves. */
  public static final Map<String, List<String>> OF_POSITIONS =
      Map.of("outbox_agent_position", List.of("SELECT", "INSERT", "UPDATE"));

  private AgentTables() {}

  /** In the same order each time. */
  public static Set<String> names() {
    Set<String> names = new TreeSet<>(PRIVILEGES.keySet());
    names.addAll(OF_POSITIONS.keySet());
    return names;
  }
}
