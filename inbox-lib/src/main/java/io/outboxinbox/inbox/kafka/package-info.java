/**
 * Runs handlers on what Kafka delivers. In: topics, a data source and a handler. Out: effects once,
 * offsets committed after them, dead letters. One thread polls and owns the Kafka consumer; workers
 * run transactions. Imports the core and kafka-clients, which is an optional dependency; nothing
 * else of the library imports this room.
 */
@NullMarked
package io.outboxinbox.inbox.kafka;

import org.jspecify.annotations.NullMarked;
