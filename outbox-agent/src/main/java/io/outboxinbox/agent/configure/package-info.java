/**
 * Turns a YAML file into a checked configuration, or into a list of everything wrong with it. In:
 * text and environment; out: {@code AgentConfiguration}, whose blocks are records of the rooms they
 * configure. Runs once, on the main thread, before anything starts. But for the records of whole
 * pipelines nothing here knows a block by name.
 */
@NullMarked
package io.outboxinbox.agent.configure;

import org.jspecify.annotations.NullMarked;
