/**
 * Keeps events that cannot be published, and what waits behind them, in table {@code
 * outbox_parked}: rejected rows go in, rows to publish come out. Runs on the pipeline's thread and
 * on its connections; imports only {@code event} of ours.
 */
@NullMarked
package io.outboxinbox.agent.park;

import org.jspecify.annotations.NullMarked;
