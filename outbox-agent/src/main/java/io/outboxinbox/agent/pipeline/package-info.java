/**
 * One pipeline from start to end: stands by, leads, streams, and after any failure closes
 * everything and begins again. Owns the pipeline's thread, the order of starting and stopping, and
 * what is shown of it all. Imports every stage, no broker.
 */
@NullMarked
package io.outboxinbox.agent.pipeline;

import org.jspecify.annotations.NullMarked;
