package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.PositionCommitter;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.park.ParkingLot;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.source.table.ParkedEvent;
import java.sql.SQLException;
import java.util.List;

/**
 * The one durable step, wherever its events come from: what is parked is written down, the broker
 * gets events and checkpoint, confirms each, and only then may the source forget its log up to
 * there. A crash between two of these does again what is not durable yet, and loses nothing. Used
 * by one thread, one session long.
 *
 * @param log learns how far it will not be read again
 */
public record Commit(
    Publisher publisher, ParkingLot lot, StreamMemory memory, PositionCommitter log) {

  /**
   * What becomes durable together.
   *
   * @param events to publish, possibly none
   * @param parked to write down, possibly none
   * @param after covers all of it, but for the numbers of what is parked
   */
  public record Step(List<RoutedEvent> events, List<ParkedEvent> parked, Checkpoint after) {}

  /** Remembers what is known of an event the broker has refused; nothing of the step counts. */
  @FunctionalInterface
  public interface OnRefused {
    void note(AgentException.RejectedEvent refusal) throws SQLException;
  }

  /** {@link Publisher#mayRepeat}. */
  public boolean mayRepeat() {
    return publisher.mayRepeat();
  }

  /**
   * Takes the step.
   *
   * @return the checkpoint that is durable now
   * @throws AgentException.Retryable any part may have happened: a new session finds out
   */
  public Checkpoint run(Step step, Checkpoint before, OnRefused onRefused) throws SQLException {
    // First: once the position is past them, the log does not bring them again.
    Checkpoint.Parking written = lot.write(step.parked(), before);
    Checkpoint after =
        step.after()
            .withParking(
                new Checkpoint.Parking(
                    written.lastOrdinal(), step.after().parking().lastRelease()));
    publish(step.events(), after, onRefused);
    log.commit(after.position());
    lot.parked(step.parked(), after);
    memory.isolation().passed(step.events().size(), step.parked());
    return after;
  }

  private void publish(List<RoutedEvent> events, Checkpoint after, OnRefused onRefused)
      throws SQLException {
    try {
      Receipt.demandAll(
          events,
          memory
              .size()
              .measured(events, publisher.patience(), () -> publisher.publishBatch(events, after)));
    } catch (AgentException.RejectedEvent e) {
      if (events.isEmpty()) {
        throw e;
      }
      onRefused.note(e);
      throw new AgentException.Retryable(
          "the broker refused one of %d events; looking for it: %s"
              .formatted(events.size(), e.getMessage()),
          e);
    }
  }
}
