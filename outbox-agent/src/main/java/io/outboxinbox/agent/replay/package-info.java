/**
 * Publishes events of the table again because an operator asks for it, beside whatever agent leads.
 * In: an order; out: messages marked as a replay. On the thread of the command.
 */
@NullMarked
package io.outboxinbox.agent.replay;

import org.jspecify.annotations.NullMarked;
