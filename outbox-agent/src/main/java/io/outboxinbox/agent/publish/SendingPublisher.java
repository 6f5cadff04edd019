package io.outboxinbox.agent.publish;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Positions;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Publishes at least once: sends, and remembers the checkpoint elsewhere once every event is
 * confirmed. A crash between the two repeats events, with the ids and numbers they had.
 */
public final class SendingPublisher implements Publisher {
  private final Sender sender;
  private final Positions positions;

  /**
   * Joins the two.
   *
   * @param positions not closed here
   */
  public SendingPublisher(Sender sender, Positions positions) {
    this.sender = sender;
    this.positions = positions;
  }

  @Override
  public boolean mayRepeat() {
    return true;
  }

  @Override
  public Optional<Checkpoint> takeOver(SourceIdentity source) {
    return positions.takeOver(source);
  }

  @Override
  public void rehearse(SourceIdentity source) {
    positions.allCheckpoints();
  }

  @Override
  public List<Checkpoint> allCheckpoints() {
    return positions.allCheckpoints();
  }

  @Override
  public void check(RoutedEvent event) {
    sender.check(event);
  }

  @Override
  public List<Receipt> publishBatch(List<RoutedEvent> batch, Checkpoint after) {
    List<Receipt> receipts = batch.isEmpty() ? List.of() : sender.send(batch);
    // Before the position, which would leave them behind.
    Receipt.demandAll(batch, receipts);
    positions.write(after);
    return receipts;
  }

  @Override
  public Duration patience() {
    return sender.patience();
  }

  @Override
  public Optional<String> cluster() {
    return sender.cluster();
  }

  @Override
  public Optional<PublishedSearch> search(SearchScope scope) {
    return sender.search(scope);
  }

  @Override
  public void forget(SourceIdentity source) {
    positions.forget(source);
  }

  @Override
  public void close() {
    sender.close();
  }
}
