/**
 * Moves the position past the longest unbroken run of receipts and hands it to the {@code
 * PositionCommitter}, on the pipeline's thread. Imports only {@code event} of ours.
 */
@NullMarked
package io.outboxinbox.agent.acknowledge;

import org.jspecify.annotations.NullMarked;
