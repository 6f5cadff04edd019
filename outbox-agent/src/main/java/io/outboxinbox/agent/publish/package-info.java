/**
 * The seam to brokers: routed events and the checkpoint behind them go in, receipts come out, on
 * the pipeline's thread. A broker that takes both together is a {@code Publisher}, any other a
 * {@code Sender}. One room per broker beside it; imports only {@code event} of ours.
 */
@NullMarked
package io.outboxinbox.agent.publish;

import org.jspecify.annotations.NullMarked;
