/**
 * Publishes what a consumer does as Micrometer meters. In: a registry. Out: a listener for the
 * consumer's builder. Called on the consumer's threads. Imports the Kafka room's listener and
 * micrometer-core, which is an optional dependency.
 */
@NullMarked
package io.outboxinbox.inbox.micrometer;

import org.jspecify.annotations.NullMarked;
