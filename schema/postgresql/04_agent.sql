-- What the agent keeps in the source database. Applications have no business here.
--
-- Safe to run again. The position itself is not here: it is written to the broker, in one transaction with the events.

-- One row per source (database and publication): who publishes, and is it alive?
CREATE TABLE IF NOT EXISTS outbox_agent_source (
  source    text        PRIMARY KEY,
  holder    text,
  pulse     bigint      NOT NULL DEFAULT 0,
  pulsed_at timestamptz,
  epoch     bigint,
  seeded_at timestamptz
);

COMMENT ON TABLE outbox_agent_source IS 'Leadership among agents of one source.';
COMMENT ON COLUMN outbox_agent_source.source IS 'Identifies database and publication, the same for every agent that reads them.';
COMMENT ON COLUMN outbox_agent_source.holder IS 'The agent that leads now.';
COMMENT ON COLUMN outbox_agent_source.pulse IS 'Raised by the holder. A standby that sees it stand still takes over; it compares counts, not clocks.';
COMMENT ON COLUMN outbox_agent_source.pulsed_at IS 'When the pulse was last raised, for people to look at.';
COMMENT ON COLUMN outbox_agent_source.epoch IS 'Goes up whenever the sequence numbers of published events may start again.';
COMMENT ON COLUMN outbox_agent_source.seeded_at IS 'When the first position was written. Set, and no position at the broker: it was lost, so stop instead of starting anew.';

-- Events that were in the outbox before the replication slot existed. The write-ahead log will never bring them, so the agent
-- publishes them once, at its first start, in this order.
CREATE TABLE IF NOT EXISTS outbox_backlog (
  source   text   NOT NULL,
  ordinal  bigint NOT NULL,
  event_id text   NOT NULL,
  PRIMARY KEY (source, ordinal)
);

COMMENT ON TABLE outbox_backlog IS 'Ids of the events older than the replication slot, published once at the first start.';
COMMENT ON COLUMN outbox_backlog.event_id IS 'As text, because tables of other layouts have ids of other types.';
