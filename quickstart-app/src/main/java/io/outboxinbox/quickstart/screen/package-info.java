/**
 * What the user sees: the live table and the summary. In: tallies. Out: text for 100 columns. Used
 * by the main thread only; imports {@code proof}.
 */
@NullMarked
package io.outboxinbox.quickstart.screen;

import org.jspecify.annotations.NullMarked;
