/**
 * Replication slots and the log they keep: makes, drops and measures them, and tells which server
 * and which timelines the log is of. In: a connection; out: facts. Any thread.
 */
@NullMarked
package io.outboxinbox.agent.source.slot;

import org.jspecify.annotations.NullMarked;
