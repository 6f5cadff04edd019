-- What the agent may read from the write-ahead log: inserts into the outbox, nothing else of the database.
--
-- Safe to run again: a publication that exists is repaired where it would hide events, and its other tables are left alone.
-- Needs the right to CREATE in the database. Publications belong to the database, not to a schema: one outbox per database.
--
-- insert only:                 an update or delete of an outbox row is housekeeping, never an event.
-- publish_via_partition_root:  rows arrive as outbox_event, whichever partition holds them. Otherwise each would come under the name
--                              of its partition, and the agent would not know it.
DO $do$
DECLARE
  publication pg_publication;
  membership  jsonb;
BEGIN
  SELECT * INTO publication FROM pg_publication WHERE pubname = 'outbox_publication';

  IF NOT FOUND THEN
    CREATE PUBLICATION outbox_publication FOR TABLE outbox_event
      WITH (publish = 'insert', publish_via_partition_root = true);
    RETURN;
  END IF;

  IF publication.puballtables THEN
    RAISE EXCEPTION 'publication outbox_publication publishes ALL TABLES; it must name outbox_event only'
      USING HINT = 'Stop the agent, DROP PUBLICATION outbox_publication, run this file again, start the agent.';
  END IF;

  IF NOT (publication.pubinsert AND publication.pubviaroot)
     OR publication.pubupdate OR publication.pubdelete OR publication.pubtruncate THEN
    ALTER PUBLICATION outbox_publication SET (publish = 'insert', publish_via_partition_root = true);
  END IF;

  -- As JSON, because the columns for row filters and column lists exist from PostgreSQL 15 on.
  SELECT to_jsonb(r) INTO membership
  FROM pg_publication_rel AS r WHERE r.prpubid = publication.oid AND r.prrelid = 'outbox_event'::regclass;

  IF membership IS NULL THEN
    ALTER PUBLICATION outbox_publication ADD TABLE outbox_event;
  ELSIF membership ->> 'prqual' IS NOT NULL OR membership ->> 'prattrs' IS NOT NULL THEN
    -- A row filter or a column list hides events or parts of them. Both statements become visible together, so no row slips through.
    ALTER PUBLICATION outbox_publication DROP TABLE outbox_event;
    ALTER PUBLICATION outbox_publication ADD TABLE outbox_event;
  END IF;
END
$do$;
