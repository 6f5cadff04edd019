/**
 * The leader's side of parked events: which keys they hold, when single bad events have become a
 * flood, and how table {@code outbox_parked} follows the position. In: what {@code stream} rejects;
 * out: what may be published again. On the pipeline's thread. What people see and ask for is in
 * {@code operate}.
 */
@NullMarked
package io.outboxinbox.agent.park;

import org.jspecify.annotations.NullMarked;
