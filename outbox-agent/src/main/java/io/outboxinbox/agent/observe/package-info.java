/**
 * What people and orchestrators look at: health checks, metrics, admin tasks. Reads from the
 * pipelines, changes nothing in them but start and stop.
 */
@NullMarked
package io.outboxinbox.agent.observe;

import org.jspecify.annotations.NullMarked;
