/**
 * What is looked at in the background, each on a thread and a connection of its own: the source
 * while it is read, the log the slot keeps, old partitions. In: connections; out: reports, and a
 * failure for the pipeline to find. Never publishes.
 */
@NullMarked
package io.outboxinbox.agent.watch;

import org.jspecify.annotations.NullMarked;
