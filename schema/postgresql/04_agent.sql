-- What the agent keeps in the source database. Applications have no business here.
--
-- Safe to run again. With Kafka the position itself is not here: it is written to the broker, in one transaction with the events.

-- One row per source (database and publication): who publishes, and is it alive?
CREATE TABLE IF NOT EXISTS outbox_agent_source (
  source    text        PRIMARY KEY,
  holder    text,
  pulse     bigint      NOT NULL DEFAULT 0,
  pulsed_at timestamptz,
  epoch     bigint,
  seeded_at timestamptz
);

-- Later than the table, so that an installation gets them by running this file again.
ALTER TABLE outbox_agent_source
  ADD COLUMN IF NOT EXISTS paused_at     timestamptz,
  ADD COLUMN IF NOT EXISTS paused_by     text,
  ADD COLUMN IF NOT EXISTS paused_reason text;

COMMENT ON TABLE outbox_agent_source IS 'Leadership among agents of one source.';
COMMENT ON COLUMN outbox_agent_source.source IS 'Identifies database and publication, the same for every agent that reads them.';
COMMENT ON COLUMN outbox_agent_source.holder IS 'The agent that leads now.';
COMMENT ON COLUMN outbox_agent_source.pulse IS 'Raised by the holder. A standby that sees it stand still takes over; it compares counts, not clocks.';
COMMENT ON COLUMN outbox_agent_source.pulsed_at IS 'When the pulse was last raised, for people to look at.';
COMMENT ON COLUMN outbox_agent_source.epoch IS 'Goes up whenever the sequence numbers of published events may start again.';
COMMENT ON COLUMN outbox_agent_source.seeded_at IS 'When the first position was written. Set, and no position at the broker: it was lost, so stop instead of starting anew.';

COMMENT ON COLUMN outbox_agent_source.paused_at IS 'Set: no agent publishes anything until it is NULL again. Use the agent''s commands "pause" and "resume".';
COMMENT ON COLUMN outbox_agent_source.paused_by IS 'The operator who asked for it.';
ALTER TABLE outbox_agent_source
  ADD COLUMN IF NOT EXISTS broker                 text,
  ADD COLUMN IF NOT EXISTS timeline               int,
  ADD COLUMN IF NOT EXISTS branched_at            timestamptz,
  ADD COLUMN IF NOT EXISTS reconciliation         bigint NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS reconcile_requested_at timestamptz,
  ADD COLUMN IF NOT EXISTS reconcile_requested_by text,
  ADD COLUMN IF NOT EXISTS reconcile_accepts      text;

-- Where events may have gone: asked for when the position is lost, and the topics are all there is to look at.
ALTER TABLE outbox_agent_source
  ADD COLUMN IF NOT EXISTS topics       jsonb,
  ADD COLUMN IF NOT EXISTS topics_since timestamptz,
  ADD COLUMN IF NOT EXISTS former_ids   text[],
  ADD COLUMN IF NOT EXISTS slot         text;

COMMENT ON COLUMN outbox_agent_source.topics IS 'Names and patterns of route.allowedTopics, now and before, each with the time until which it was in use; null while it is.';
COMMENT ON COLUMN outbox_agent_source.topics_since IS 'Set: nobody noted where events went before; an earlier version published them.';
COMMENT ON COLUMN outbox_agent_source.former_ids IS 'What this source was called before its cluster was rebuilt; messages of then carry it.';

COMMENT ON COLUMN outbox_agent_source.slot IS 'The replication slot that this source made or read: it drops no other. Empty where it has none, such as after a reset; NULL before one is noted.';
COMMENT ON COLUMN outbox_agent_source.broker IS 'Identifies the broker''s cluster that has the position. Another one without a position is a mistake, not a loss.';
COMMENT ON COLUMN outbox_agent_source.timeline IS 'PostgreSQL''s timeline at the last pulse.';
COMMENT ON COLUMN outbox_agent_source.branched_at IS 'The last pulse before the timeline changed: whatever was published from a lost timeline was published after it.';
COMMENT ON COLUMN outbox_agent_source.reconciliation IS 'Goes up with each reconciliation begun and each reset; an agent that was replaced in the middle of one sees that it is over.';
COMMENT ON COLUMN outbox_agent_source.reconcile_requested_at IS 'Set by the command "reconcile"; the leading agent does it and clears it.';
COMMENT ON COLUMN outbox_agent_source.reconcile_accepts IS 'System identifier of the cluster this database comes from, when it was rebuilt elsewhere.';

-- How far each source has been published, for brokers that cannot keep it themselves. Kafka can, and leaves this table empty.
-- Changed with every batch; with room for it, the new version of the row lies beside the old one, and no index grows.
CREATE TABLE IF NOT EXISTS outbox_agent_position (
  source     text        PRIMARY KEY,
  turn       bigint      NOT NULL,
  checkpoint text,
  written_at timestamptz
) WITH (fillfactor = 20);

COMMENT ON TABLE outbox_agent_position IS 'How far each source has been published; only the leading agent writes here. Whoever changes it by hand loses or repeats events.';
COMMENT ON COLUMN outbox_agent_position.turn IS 'Goes up whenever an agent takes the source over. What an earlier one still sends names another turn, and changes nothing.';
COMMENT ON COLUMN outbox_agent_position.checkpoint IS 'The position, as JSON. Written after the broker has confirmed every event before it, and before the slot moves. NULL: forgotten by the command "reset".';

-- Events that were in the outbox before the replication slot existed. The write-ahead log will never bring them, so the agent
-- publishes them once, at its first start, in this order.
CREATE TABLE IF NOT EXISTS outbox_backlog (
  source   text   NOT NULL,
  ordinal  bigint NOT NULL,
  event_id text   NOT NULL,
  PRIMARY KEY (source, ordinal)
);

-- What the version before did not have.
ALTER TABLE outbox_backlog ADD COLUMN IF NOT EXISTS source_table text;

COMMENT ON COLUMN outbox_backlog.source_table IS 'Outbox table the event is of, where the source has several. NULL: it has one.';
COMMENT ON TABLE outbox_backlog IS 'Ids of the events older than the replication slot, published once at the first start, or in a reconciliation after the slot was lost.';
COMMENT ON COLUMN outbox_backlog.event_id IS 'As text, because tables of other layouts have ids of other types.';

-- What was done after events may have been missed: the report of each reconciliation.
CREATE TABLE IF NOT EXISTS outbox_reconciliation (
  source           text        NOT NULL,
  reconciliation   bigint      NOT NULL,
  state            text        NOT NULL DEFAULT 'preparing',
  cause            text        NOT NULL,
  requested_by     text,
  requested_at     timestamptz,
  started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_from   timestamptz,
  finished_at      timestamptz,
  ended_xid        bigint      NOT NULL DEFAULT 0,
  rows_in_table    bigint      NOT NULL DEFAULT 0,
  candidates       bigint      NOT NULL DEFAULT 0,
  already_parked   bigint      NOT NULL DEFAULT 0,
  searched_from    timestamptz,
  records_searched bigint      NOT NULL DEFAULT 0,
  found_in_topics  bigint      NOT NULL DEFAULT 0,
  first_sequence   bigint      NOT NULL DEFAULT 0,
  published        bigint      NOT NULL DEFAULT 0,
  phantoms         bigint      NOT NULL DEFAULT 0,
  possible_repeats text,
  PRIMARY KEY (source, reconciliation),
  CONSTRAINT outbox_reconciliation_state_is_known CHECK (state IN ('preparing', 'publishing', 'done', 'superseded'))
);

ALTER TABLE outbox_reconciliation ADD COLUMN IF NOT EXISTS notes text;

COMMENT ON TABLE outbox_reconciliation IS 'What each reconciliation found and did: events that are in the table and not in the topics are published.';
COMMENT ON COLUMN outbox_reconciliation.state IS 'superseded: it was interrupted before anything was published, or a later one took over.';
COMMENT ON COLUMN outbox_reconciliation.ended_xid IS 'Rows of older transactions are known to be published; 0: every row was looked for.';
COMMENT ON COLUMN outbox_reconciliation.candidates IS 'Rows that might not have been published, without those parked.';
COMMENT ON COLUMN outbox_reconciliation.first_sequence IS 'Sequence before the first event published; the events carry the header outbox_reconciled.';
COMMENT ON COLUMN outbox_reconciliation.phantoms IS 'Events in the topics whose row is in no timeline of the database any more; see outbox_phantom.';
COMMENT ON COLUMN outbox_reconciliation.possible_repeats IS 'Why some events may have been published a second time, with the same id; NULL when none can.';

COMMENT ON COLUMN outbox_reconciliation.notes IS 'What to know about candidates that were not published; NULL when there is nothing.';

-- Events that were published before the database lost them, by a failover that left the last moments behind or by a restore.
CREATE TABLE IF NOT EXISTS outbox_phantom (
  source         text        NOT NULL,
  reconciliation bigint      NOT NULL,
  topic          text        NOT NULL,
  partition      int         NOT NULL,
  broker_offset  bigint      NOT NULL,
  event_id       text        NOT NULL,
  sequence       text,
  published_at   timestamptz NOT NULL,
  PRIMARY KEY (source, reconciliation, topic, partition, broker_offset)
);

COMMENT ON TABLE outbox_phantom IS 'Events consumers have and the database does not: people have to decide about them.';

-- Events the broker will never take as they are, and the later events of the same key that wait behind them. Written, and durable,
-- before the position moves past them; nothing of it is ever deleted but what was released or discarded, and that by age.
CREATE TABLE IF NOT EXISTS outbox_parked (
  source               text        NOT NULL,
  ordinal              bigint      NOT NULL,
  state                text        NOT NULL DEFAULT 'waiting',
  -- The event, readable and correctable. Anything may be missing: a row without an id or a type is parked as it came.
  event_id             text,
  aggregate_type       text,
  aggregate_id         text,
  event_type           text,
  payload              bytea,
  content_type         text,
  headers              text,
  topic                text,
  occurred_at          timestamptz,
  extra                jsonb       NOT NULL DEFAULT '{}',
  -- Why it is here.
  key                  text,
  reason               text        NOT NULL,
  is_behind            boolean     NOT NULL,
  attempts             int         NOT NULL DEFAULT 1,
  -- Where it came from.
  epoch                bigint      NOT NULL,
  xid                  bigint      NOT NULL,
  lsn                  pg_lsn      NOT NULL,
  committed_at         timestamptz NOT NULL,
  parked_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- What is to become of it, and what became of it.
  requested            text,
  requested_by         text,
  requested_at         timestamptz,
  requested_reason     text,
  release              bigint,
  published_sequence   bigint,
  settled_at           timestamptz,
  PRIMARY KEY (source, ordinal),
  CONSTRAINT outbox_parked_state_is_known CHECK (state IN ('waiting', 'released', 'discarded')),
  CONSTRAINT outbox_parked_request_is_known CHECK (requested IN ('release', 'discard')),
  CONSTRAINT outbox_parked_is_settled_once CHECK ((state = 'waiting') = (settled_at IS NULL))
);

-- What the version before did not have.
ALTER TABLE outbox_parked ADD COLUMN IF NOT EXISTS destination text;
ALTER TABLE outbox_parked ADD COLUMN IF NOT EXISTS destination_rule text;
ALTER TABLE outbox_parked ADD COLUMN IF NOT EXISTS source_table text;

COMMENT ON TABLE outbox_parked IS 'Events that could not be published, and what waits behind them. Use the agent''s command "parked"; only the leading agent changes state.';
COMMENT ON COLUMN outbox_parked.ordinal IS 'Order of parking, rising for each source. The agent''s position says up to which number rows count; what lies behind it is taken back at its next start.';
COMMENT ON COLUMN outbox_parked.headers IS 'As the row had them; text, because they may be what is wrong.';
COMMENT ON COLUMN outbox_parked.key IS 'Message key. Events of one key stay in order, so later ones wait behind the first; NULL when the row does not even tell its key.';
COMMENT ON COLUMN outbox_parked.destination IS 'Topic in which later events of the key wait behind it. NULL when nobody can tell the topic; then they wait in every topic.';
COMMENT ON COLUMN outbox_parked.destination_rule IS 'How the topic was chosen (route.topic). Under another rule later events of the key wait in every topic.';
COMMENT ON COLUMN outbox_parked.source_table IS 'Outbox table the event is of, as the configuration named it. NULL: an earlier version parked it, which knew one table.';
COMMENT ON COLUMN outbox_parked.is_behind IS 'Has no fault of its own, but an earlier event of its key is parked. Published by itself once that one is released or discarded.';
COMMENT ON COLUMN outbox_parked.epoch IS 'Epoch of the position it was parked under.';
COMMENT ON COLUMN outbox_parked.requested IS 'What an operator wants: release or discard. The leading agent does it.';
COMMENT ON COLUMN outbox_parked.release IS 'Batch it was last published with. The position at the broker says which batches were committed.';

-- Payloads may be large and are mostly JSON of a few kilobytes: not worth the time to compress while events behind it wait.
ALTER TABLE outbox_parked ALTER COLUMN payload SET STORAGE EXTERNAL;

-- Indexes of an earlier version, and what a CREATE INDEX CONCURRENTLY that failed has left behind: it is not used, and its name is
-- taken. Only of this schema's tables, whatever else is on the search_path.
DO $$
DECLARE
  spent regclass;
BEGIN
  FOR spent IN
    SELECT i.indexrelid
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid
      JOIN pg_class t ON t.oid = i.indrelid
     WHERE t.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
       AND t.relname IN ('outbox_backlog', 'outbox_parked')
       AND (c.relname IN ('outbox_backlog_event', 'outbox_parked_lane', 'outbox_parked_waiting')
            OR NOT i.indisvalid AND c.relname IN ('outbox_backlog_id', 'outbox_parked_key', 'outbox_parked_requested',
                                                  'outbox_parked_release', 'outbox_parked_settled'))
  LOOP
    EXECUTE format('DROP INDEX %s', spent);
  END LOOP;
END;
$$;

-- A reconciliation takes out what it finds in the topics. By a hash, because an entry of an index holds 2,700 bytes at most and an
-- id or key may be longer: the index narrows the search down, and queries compare the text as well. The server's own hash, which its
-- hash partitions rest on; md5() fails where the server's libraries allow approved algorithms only.
CREATE INDEX IF NOT EXISTS outbox_backlog_id ON outbox_backlog (source, pg_catalog.hashtextextended(event_id, 0::bigint));
-- What waits, by key: who is first, and is somebody still waiting? By a hash, as in outbox_backlog_id.
CREATE INDEX IF NOT EXISTS outbox_parked_key ON outbox_parked (source, pg_catalog.hashtextextended(key, 0::bigint), ordinal) WHERE state = 'waiting';
-- What an operator has asked for and the leader has not done yet.
CREATE INDEX IF NOT EXISTS outbox_parked_requested ON outbox_parked (source, ordinal) WHERE state = 'waiting' AND requested IS NOT NULL;
-- Batches that are on their way.
CREATE INDEX IF NOT EXISTS outbox_parked_release ON outbox_parked (source, release) WHERE state = 'waiting' AND release IS NOT NULL;
-- Purging by age.
CREATE INDEX IF NOT EXISTS outbox_parked_settled ON outbox_parked (settled_at) WHERE state <> 'waiting';

-- Who changed a parked event, and what it was before.
CREATE TABLE IF NOT EXISTS outbox_parked_edit (
  source    text        NOT NULL,
  ordinal   bigint      NOT NULL,
  edited_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  edited_by text        NOT NULL,
  reason    text        NOT NULL,
  field     text        NOT NULL,
  before    bytea,
  PRIMARY KEY (source, ordinal, edited_at, field)
);

COMMENT ON TABLE outbox_parked_edit IS 'Audit trail of edits of outbox_parked: the value each edited field had before.';
COMMENT ON COLUMN outbox_parked_edit.before IS 'The old value; text as UTF-8. NULL where there was none.';
