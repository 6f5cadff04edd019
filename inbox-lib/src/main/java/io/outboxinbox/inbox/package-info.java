/**
 * Effects once: remembers each message in the consumer's own database, in the transaction of its
 * effects. In: a connection with a transaction, and what is known of a message. Out: whether it is
 * new. Never opens, commits or rolls back; may be used on any thread. Imports JDBC, slf4j and
 * Caffeine only; whatever knows a broker lives in rooms below.
 */
@NullMarked
package io.outboxinbox.inbox;

import org.jspecify.annotations.NullMarked;
