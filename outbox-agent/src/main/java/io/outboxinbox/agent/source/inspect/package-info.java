/**
 * Looks at the source database without changing it, before every start and while running: server,
 * role, table, publication, partitions, slot, rights. In: a connection; out: findings, each with
 * the statement that mends it, and {@code Findings}, which decides what they mean. Any thread.
 */
@NullMarked
package io.outboxinbox.agent.source.inspect;

import org.jspecify.annotations.NullMarked;
