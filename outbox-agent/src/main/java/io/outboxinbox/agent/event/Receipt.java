package io.outboxinbox.agent.event;

/**
 * The broker has the event for good.
 *
 * @param sequence of the event confirmed
 * @param position of the event confirmed
 */
public record Receipt(long sequence, SourcePosition position) {}
