/**
 * Joins capture, route, publish and acknowledge; owns the threads, leadership, start and stop
 * order, and the one way back after any failure. Imports every stage, no broker.
 */
@NullMarked
package io.outboxinbox.agent.pipeline;

import org.jspecify.annotations.NullMarked;
