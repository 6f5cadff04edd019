/**
 * Where the demonstration takes place: the working directory, PostgreSQL, Kafka and the agent's
 * process. In: ports and paths. Out: addresses. Used by the main thread only.
 */
@NullMarked
package io.outboxinbox.quickstart.stage;

import org.jspecify.annotations.NullMarked;
