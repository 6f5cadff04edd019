package io.outboxinbox.agent.event;

import java.util.List;
import java.util.Optional;

/**
 * Remembers how far sources have been published. A broker that takes events and checkpoint together
 * is its own memory; for all others it is a table of the source database. Every method may throw
 * {@link AgentException.Retryable} when the memory is away.
 */
public interface Positions {

  /**
   * Shuts out whoever wrote for the source before, and waits until what they had begun is decided.
   *
   * @return the last durable checkpoint; empty if there is none
   * @throws AgentException.Fatal there is one that this version cannot read; others are shut out
   */
  Optional<Checkpoint> takeOver(SourceIdentity source);

  /** Every checkpoint there is, of any source, without shutting anybody out. */
  List<Checkpoint> allCheckpoints();

  /**
   * Makes a checkpoint durable, after {@link #takeOver}.
   *
   * @throws AgentException.Retryable another agent has taken the source over, or it may not be
   *     durable
   */
  void write(Checkpoint checkpoint);

  /**
   * Forgets the source's checkpoint, so that its next start is a first start. After {@link
   * #takeOver}; or of a source that was given up, such as that of a cluster before this one.
   */
  void forget(SourceIdentity source);
}
