/**
 * Turns a YAML file into a checked configuration, or into a list of everything wrong with it. In:
 * text and environment; out: an object of the type asked for. Knows no block of the configuration
 * by name and imports nothing of ours; runs once, on the main thread, before anything starts.
 */
@NullMarked
package io.outboxinbox.agent.configure;

import org.jspecify.annotations.NullMarked;
