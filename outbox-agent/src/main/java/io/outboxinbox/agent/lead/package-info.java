/**
 * The right to publish a source: its lock, its sign of life, the end of whoever held it before, and
 * the rehearsal of a standby. What happens on a takeover begins here. {@code Pulse} and {@code
 * Rehearsal} own a thread each; the rest is on the pipeline's.
 */
@NullMarked
package io.outboxinbox.agent.lead;

import org.jspecify.annotations.NullMarked;
