/**
 * The command line, a class for each command: reads arguments, asks {@code operate} or another
 * room, prints the answer, says how it ended. On the main thread; nothing is decided here.
 */
@NullMarked
package io.outboxinbox.agent.operate.command;

import org.jspecify.annotations.NullMarked;
