/**
 * What people and orchestrators look at: health checks, metrics, pages. Reads from the pipelines,
 * changes nothing in them.
 */
@NullMarked
package io.outboxinbox.agent.observe;

import org.jspecify.annotations.NullMarked;
