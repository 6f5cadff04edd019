/**
 * Reads outbox inserts from the write-ahead log through Debezium's PostgreSQL connector task. In:
 * the log; out: {@code Captured} items in commit order, on the pipeline's thread. The only room
 * with Debezium and Connect types.
 */
@NullMarked
package io.outboxinbox.agent.source.log;

import org.jspecify.annotations.NullMarked;
