-- Who may do what. Needs a superuser, or on a managed service its administrator, because roles belong to the whole server.
--
-- Safe to run again. Run it last, with the search_path of the schema that holds the tables.
--
--   outbox_writer    for applications: GRANT outbox_writer TO my_application;
--   outbox_agent     the agent's login: ALTER ROLE outbox_agent PASSWORD '...';
--   outbox_operator  for people who look: GRANT outbox_operator TO jane;
--   outbox_controller  for people who also decide: GRANT outbox_controller TO joe;
DO $do$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_writer') THEN
    CREATE ROLE outbox_writer NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_agent') THEN
    -- A login with REPLICATION can in effect read the whole database: it may create a slot of its own and decode the changes of
    -- every table. Guard its password like a superuser's, and allow it in pg_hba.conf from the agent's hosts only.
    -- On Amazon RDS the attribute is a role instead: CREATE ROLE outbox_agent LOGIN; GRANT rds_replication TO outbox_agent;
    CREATE ROLE outbox_agent LOGIN REPLICATION;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_operator') THEN
    CREATE ROLE outbox_operator NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_controller') THEN
    CREATE ROLE outbox_controller NOLOGIN;
  END IF;
END
$do$;

DO $do$
DECLARE
  exposed name;
BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO outbox_writer, outbox_agent, outbox_operator', current_database());
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO outbox_writer, outbox_agent, outbox_operator', current_schema());

  -- Whoever may create objects where the agent looks for names could put a function in the way of the owner's.
  FOR exposed IN
    SELECT nspname FROM pg_namespace
    WHERE nspname IN (current_schema(), 'public') AND has_schema_privilege('outbox_writer', oid, 'CREATE')
  LOOP
    RAISE WARNING 'everybody may create objects in schema %', exposed
      USING HINT = format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC;', exposed);
  END LOOP;
END
$do$;

-- Writers add events and never see, change or remove one.
GRANT INSERT ON outbox_event TO outbox_writer;
REVOKE EXECUTE ON FUNCTION outbox_publish(text, text, text, json, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox_publish(text, text, text, json, jsonb) TO outbox_writer;

-- The agent reads events (for the backlog and for repairs; new ones come from the write-ahead log), keeps its own tables, and
-- makes and drops partitions through functions. It owns nothing and cannot change the publication.
GRANT SELECT ON outbox_event TO outbox_agent;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_agent_source, outbox_backlog, outbox_parked, outbox_parked_edit TO outbox_agent;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_reconciliation, outbox_phantom TO outbox_agent;
GRANT SELECT, INSERT, UPDATE ON outbox_agent_position TO outbox_agent;
GRANT EXECUTE ON FUNCTION outbox_partitions_create(int), outbox_partitions_drop(timestamptz) TO outbox_agent;

-- The agent's sign of life travels through the log as a logical message. Nobody else may write one: whoever reads the log has to
-- hold a message whole before it can see that it is not meant for it, so a single large one would stop the agent, and by default
-- every login may write one of a gigabyte. The rights of functions belong to this database alone. Programs of yours that write
-- messages, such as another tool that reads the log, need the right of their own:
--   GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO that_role;
-- PostgreSQL 17 and later have a fourth argument: (boolean, text, text, boolean).
DO $do$
DECLARE
  emit regprocedure;
BEGIN
  FOR emit IN
    SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = 'pg_logical_emit_message'
  LOOP
    BEGIN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO outbox_agent', emit);
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', emit);
    EXCEPTION WHEN insufficient_privilege THEN
      -- The administrator of a managed service may not; "check" warns.
      RAISE WARNING 'every login may still call %', emit
        USING HINT = 'Run this file as a superuser.';
    END;
  END LOOP;
END
$do$;

-- People look.
GRANT SELECT ON outbox_event, outbox_agent_source, outbox_backlog, outbox_parked, outbox_parked_edit TO outbox_operator;
GRANT SELECT ON outbox_reconciliation, outbox_phantom, outbox_agent_position TO outbox_operator;

-- People decide, with the agent's commands and their own logins: pause and resume, reconcile, parked release, discard and edit.
-- They ask; only the agent does. So they get the columns of requests, and of corrections, which leave the old value behind. They
-- delete nothing: a parked event that is gone is lost.
GRANT outbox_operator TO outbox_controller;
GRANT INSERT (source, reconcile_requested_at, reconcile_requested_by, reconcile_accepts) ON outbox_agent_source TO outbox_controller;
GRANT UPDATE (paused_at, paused_by, paused_reason, reconcile_requested_at, reconcile_requested_by, reconcile_accepts)
  ON outbox_agent_source TO outbox_controller;
GRANT UPDATE (requested, requested_by, requested_at, requested_reason, event_id, aggregate_type, aggregate_id, event_type, payload,
              content_type, headers, topic, extra)
  ON outbox_parked TO outbox_controller;
GRANT INSERT ON outbox_parked_edit TO outbox_controller;
