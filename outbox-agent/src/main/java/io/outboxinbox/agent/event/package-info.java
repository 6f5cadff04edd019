/**
 * The words every room of the agent shares: events, positions, destinations, receipts, checkpoints,
 * findings, failures and the way out of them. No I/O, no threads, no third-party types; imports
 * nothing else of ours.
 */
@NullMarked
package io.outboxinbox.agent.event;

import org.jspecify.annotations.NullMarked;
