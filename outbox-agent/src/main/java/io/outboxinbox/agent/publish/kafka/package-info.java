/**
 * Kafka behind the {@code Publisher} seam: events and checkpoint in one transaction. The only room
 * with kafka-clients types; imports {@code event} and {@code publish} of ours.
 */
@NullMarked
package io.outboxinbox.agent.publish.kafka;

import org.jspecify.annotations.NullMarked;
