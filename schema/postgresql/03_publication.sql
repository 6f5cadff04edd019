-- What the agent may read from the write-ahead log: inserts into the outbox, nothing else of the database.
--
-- Safe to run again: a publication that exists is repaired where it would hide events, and its other tables are left alone.
-- Needs the right to CREATE in the database.
--
-- Publications belong to the database, not to a schema, so each schema with an outbox has one of its own: outbox_publication in
-- schema public, outbox_publication_<schema> elsewhere. A schema whose agent has a position under the name outbox_publication,
-- from versions that had no other, keeps it: the position is kept under that name. Whoever reads the log cannot quote the name of
-- a publication, so that of a schema whose name needs quotes is made plain, with a hash of the schema's name behind it.
--
-- insert only:                 an update or delete of an outbox row is housekeeping, never an event.
-- publish_via_partition_root:  rows arrive as outbox_event, whichever partition holds them. Otherwise each would come under the name
--                              of its partition, and the agent would not know it.
DO $do$
DECLARE
  plain       text := lower(regexp_replace(current_schema(), '[^a-zA-Z0-9_]+', '_', 'g') COLLATE "C");
  name        text := 'outbox_publication' || CASE current_schema() WHEN 'public' THEN '' ELSE '_' || plain END;
  is_ours     boolean;
  publication pg_publication;
  membership  jsonb;
BEGIN
  IF octet_length(name) > 63 OR plain <> current_schema() THEN
    name := left(name, 54) || '_' || left(md5(current_schema()), 8);
  END IF;

  -- The agent decides in the same way.
  IF current_schema() <> 'public' THEN
    SELECT coalesce(bool_and(r.prrelid = 'outbox_event'::regclass), false) INTO is_ours
    FROM pg_publication AS p JOIN pg_publication_rel AS r ON r.prpubid = p.oid WHERE p.pubname = 'outbox_publication';
    IF NOT is_ours AND to_regclass(format('%I.outbox_agent_source', current_schema())) IS NOT NULL THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM %I.outbox_agent_source WHERE seeded_at IS NOT NULL AND right(source, length($1)) = $1)',
                     current_schema())
        INTO is_ours USING '/' || current_database() || '/outbox_publication';
    END IF;
    IF is_ours THEN
      name := 'outbox_publication';
    END IF;
  END IF;

  SELECT * INTO publication FROM pg_publication WHERE pubname = name;

  IF NOT FOUND THEN
    EXECUTE format('CREATE PUBLICATION %I FOR TABLE outbox_event WITH (publish = ''insert'', publish_via_partition_root = true)', name);
    RETURN;
  END IF;

  IF publication.puballtables THEN
    RAISE EXCEPTION 'publication % publishes ALL TABLES; it must name outbox_event only', name
      USING HINT = format('Stop the agent, DROP PUBLICATION %I, run this file again, start the agent.', name);
  END IF;

  IF NOT (publication.pubinsert AND publication.pubviaroot)
     OR publication.pubupdate OR publication.pubdelete OR publication.pubtruncate THEN
    EXECUTE format('ALTER PUBLICATION %I SET (publish = ''insert'', publish_via_partition_root = true)', name);
  END IF;

  -- As JSON, because the columns for row filters and column lists exist from PostgreSQL 15 on.
  SELECT to_jsonb(r) INTO membership
  FROM pg_publication_rel AS r WHERE r.prpubid = publication.oid AND r.prrelid = 'outbox_event'::regclass;

  IF membership IS NULL THEN
    EXECUTE format('ALTER PUBLICATION %I ADD TABLE outbox_event', name);
  ELSIF membership ->> 'prqual' IS NOT NULL OR membership ->> 'prattrs' IS NOT NULL THEN
    -- A row filter or a column list hides events or parts of them. Both statements become visible together, so no row slips through.
    EXECUTE format('ALTER PUBLICATION %I DROP TABLE outbox_event', name);
    EXECUTE format('ALTER PUBLICATION %I ADD TABLE outbox_event', name);
  END IF;
END
$do$;
