package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.source.Identifiers;
import java.sql.Connection;

/**
 * Table {@code outbox_parked}, as people ask for the events of one source.
 *
 * @param templates tell which columns topic and message key are made of
 */
record DeskTable(
    Connection connection, String schema, String sourceId, ParkedDesk.Templates templates) {
  String name() {
    return Identifiers.qualified(schema, "outbox_parked");
  }

  /** The table of what was there before an edit. */
  String edits() {
    return Identifiers.qualified(schema, "outbox_parked_edit");
  }

  DeskWhere where(DeskFilter filter) {
    return DeskWhere.source(sourceId).matching(filter, templates.topicSql());
  }
}
