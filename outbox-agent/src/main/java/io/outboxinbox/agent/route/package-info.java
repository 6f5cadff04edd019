/**
 * Picks topic, key and headers of an event. Pure functions without I/O, callable from any thread.
 * In: {@code SequencedEvent}; out: {@code RoutedEvent} or a rejection. Imports only {@code event}
 * of ours.
 */
@NullMarked
package io.outboxinbox.agent.route;

import org.jspecify.annotations.NullMarked;
