package io.outboxinbox.e2e.rig;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * What the status page says of the rig's pipeline.
 *
 * @param state in capitals; {@link #UNREACHABLE} when no page answers
 * @param reason what is wrong and how to mend it; empty when all is well
 */
public record AgentStatus(String state, String reason) {
  public static final String UNREACHABLE = "UNREACHABLE";

  static AgentStatus unreachable(String why) {
    return new AgentStatus(UNREACHABLE, why);
  }

  static AgentStatus read(JsonNode page) {
    for (JsonNode node : page.findParents("state")) {
      if (node.path("name").asText().equals(AgentConfig.PIPELINE)) {
        return new AgentStatus(node.path("state").asText(), node.path("reason").asText());
      }
    }
    throw new IllegalStateException("the status page has no pipeline: " + page);
  }

  public boolean is(String wanted) {
    return state.equalsIgnoreCase(wanted);
  }

  /** Whether the pipeline refuses to run until somebody changes something. */
  public boolean isRefusal() {
    return is("STOPPED") || is("MISCONFIGURED");
  }
}
