package io.outboxinbox.agent.event;

import java.time.Instant;

/**
 * An event with its place in the source's unbroken count.
 *
 * @param epoch goes up whenever the count may start again
 * @param sequence from 1, dense, the same after every replay of the log
 */
public record SequencedEvent(
    OutboxEvent event, SourcePosition position, Instant committedAt, long epoch, long sequence) {}
