/**
 * Table {@code outbox_parked}: events that cannot be published and what waits behind them. In:
 * events the pipeline cannot publish, and what operators ask for; out: events to publish, and pages
 * for people. No threads of its own; imports {@code event} and {@code capture} of ours.
 */
@NullMarked
package io.outboxinbox.agent.park;

import org.jspecify.annotations.NullMarked;
