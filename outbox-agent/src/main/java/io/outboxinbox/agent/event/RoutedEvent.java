package io.outboxinbox.agent.event;

/** An event that knows where it goes. */
public record RoutedEvent(SequencedEvent sequenced, Destination destination) {}
