package io.outboxinbox.agent.publish;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Positions;
import java.util.List;

/** Block {@code publish}: one record per broker, told apart by its {@code type}. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
public interface PublishConfiguration {

  /**
   * Makes a publisher that is not yet connected.
   *
   * @param ofDatabase for a broker that cannot remember checkpoints itself
   */
  Publisher newPublisher(Positions ofDatabase);

  /** Whether positions are kept in the source database, which then needs a table for them. */
  default boolean needsPositions() {
    return false;
  }

  /**
   * Makes a replayer, connected to the broker.
   *
   * @throws AgentException.Misconfigured this broker has none
   */
  default Replayer newReplayer() {
    throw new AgentException.Misconfigured(
        "this broker has no replay", "insert the events again, as new rows");
  }

  /** Topics that belong to the agent; no event may go there. */
  List<String> reservedTopics();

  /**
   * Looks at the broker without changing anything but what it was told to create.
   *
   * @param topics fixed topic names events will go to, as far as they are known
   * @throws io.outboxinbox.agent.event.AgentException.Retryable the broker is away
   */
  List<Finding> preflight(List<String> topics);

  /** What the configuration allows but leaves the connection open to others; asks nobody. */
  default List<Finding> cautions() {
    return List.of();
  }
}
