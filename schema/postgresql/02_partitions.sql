-- One partition a day, so that forgetting old events is DROP TABLE: no dead rows, no vacuum, no index bloat.
--
-- Safe to run again. Call outbox_partitions_create() at least daily (the agent does it every hour; without an agent use cron:
-- psql -c 'SELECT outbox_partitions_create()', or pg_cron). A missed call loses nothing, the default partition takes the rows.
--
-- Attaching a partition reads the whole default partition, and nobody can write to it meanwhile. So none is made once that one is
-- larger than 64 MB, as it becomes where applications bring ids that are not UUID version 7. The limit is a setting: with '0'
-- partitions are never made, and in a quiet minute somebody may allow more for one call:
--   ALTER DATABASE shop SET outbox.default_partition_max = '0';
--   SET outbox.default_partition_max = '10GB'; SELECT outbox_partitions_create();

-- Time and ids --------------------------------------------------------------------------------------------------------------------
CREATE OR REPLACE FUNCTION outbox_uuid7_floor(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

COMMENT ON FUNCTION outbox_uuid7_floor(timestamptz) IS 'The smallest UUID version 7 of that millisecond: a bound for partitions and for queries by time.';

CREATE OR REPLACE FUNCTION outbox_uuid7_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
  -- Digit 15 is the version. Only version 7 says when it was made.
  SELECT CASE WHEN substr(id::text, 15, 1) = '7' THEN
    timestamptz 'epoch' + ('x' || lpad(replace(left(id::text, 13), '-', ''), 16, '0'))::bit(64)::bigint * interval '1 millisecond'
  END
$$;

COMMENT ON FUNCTION outbox_uuid7_time(uuid) IS 'When a UUID version 7 was made, to the millisecond; NULL for other versions.';

-- Looking -------------------------------------------------------------------------------------------------------------------------
CREATE OR REPLACE FUNCTION outbox_partitions()
RETURNS TABLE (name text, from_time timestamptz, until_time timestamptz, rows_estimate bigint, bytes bigint)
LANGUAGE sql STABLE
AS $$
  SELECT partition.relname::text,
         outbox_uuid7_time(substring(bound.definition FROM 'FROM \(''([0-9a-f-]{36})''\)')::uuid),
         outbox_uuid7_time(substring(bound.definition FROM 'TO \(''([0-9a-f-]{36})''\)')::uuid),
         -- -1 means that nobody has counted yet.
         nullif(partition.reltuples, -1)::bigint,
         pg_total_relation_size(partition.oid)
  FROM pg_inherits AS inheritance
  JOIN pg_class AS partition ON partition.oid = inheritance.inhrelid
  CROSS JOIN LATERAL (SELECT pg_get_expr(partition.relpartbound, partition.oid) AS definition) AS bound
  WHERE inheritance.inhparent = 'outbox_event'::regclass
  ORDER BY 2 NULLS LAST, 1
$$;

COMMENT ON FUNCTION outbox_partitions() IS 'The partitions of outbox_event, oldest first; the default partition has no times. rows_estimate is NULL before the first ANALYZE.';

-- Creating ------------------------------------------------------------------------------------------------------------------------
-- SECURITY DEFINER: only the owner of a table may add a partition, and the agent should not own anything.
CREATE OR REPLACE FUNCTION outbox_partitions_create(days_ahead int DEFAULT 7) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
  -- Days of UTC, whatever the session's time zone: the names must not depend on who calls.
  today     date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
  day       date;
  partition text;
  first_id  uuid;
  next_id   uuid;
  has_rows  boolean;
  created   int  := 0;
  -- PostgreSQL reads about 3 GB a second from its cache: 64 MB make writers wait for about 20 ms.
  at_most   text := coalesce(nullif(current_setting('outbox.default_partition_max', true), ''), '64MB');
BEGIN
  IF days_ahead IS NULL OR days_ahead NOT BETWEEN 0 AND 366 THEN
    RAISE EXCEPTION 'outbox_partitions_create(days_ahead => %): must be between 0 and 366', days_ahead
      USING ERRCODE = 'invalid_parameter_value';
  END IF;

  -- One caller at a time. Writers do not wait for this lock.
  LOCK TABLE outbox_event IN SHARE UPDATE EXCLUSIVE MODE;

  FOR day IN SELECT today + n FROM generate_series(0, days_ahead) AS n LOOP
    partition := 'outbox_event_p' || to_char(day, 'YYYYMMDD');
    CONTINUE WHEN to_regclass(format('%I.%I', current_schema(), partition)) IS NOT NULL;

    EXIT WHEN pg_size_bytes(at_most) = 0;
    IF pg_relation_size('outbox_event_default') > pg_size_bytes(at_most) THEN
      RAISE WARNING 'no partitions are made: the default partition has % and writers would wait while it is read; the limit is %',
        pg_size_pretty(pg_relation_size('outbox_event_default')), at_most
        USING HINT = 'With ids that are not UUID version 7 switch it off: ALTER DATABASE ... SET outbox.default_partition_max = ''0''. Else, in a quiet minute: SET outbox.default_partition_max = ''10GB''; SELECT outbox_partitions_create()';
      EXIT;
    END IF;

    first_id := outbox_uuid7_floor(day::timestamp AT TIME ZONE 'UTC');
    next_id  := outbox_uuid7_floor((day + 1)::timestamp AT TIME ZONE 'UTC');

    -- A range whose rows are in the default partition already cannot be attached. They stay there; so will the rest of that day.
    SELECT EXISTS (SELECT FROM outbox_event_default AS e WHERE e.id >= first_id AND e.id < next_id) INTO has_rows;
    CONTINUE WHEN has_rows;

    BEGIN
      -- Made first and attached then: CREATE TABLE ... PARTITION OF would lock out every writer of the whole table.
      EXECUTE format('CREATE TABLE %I.%I (LIKE outbox_event INCLUDING ALL)', current_schema(), partition);
      EXECUTE format('ALTER TABLE outbox_event ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
                     current_schema(), partition, first_id, next_id);
      created := created + 1;
    EXCEPTION
      WHEN check_violation THEN
        -- A row of that day arrived in the default partition after we had looked.
        RAISE NOTICE '% was not created: the default partition has rows of that day', partition;
      WHEN lock_not_available THEN
        RAISE WARNING '% was not created: a transaction has written to the default partition; try again later', partition;
        EXIT;
    END;
  END LOOP;
  RETURN created;
END
$$;

COMMENT ON FUNCTION outbox_partitions_create(int) IS 'Makes the daily partitions from today to days_ahead that are missing and returns how many. Days with rows in the default partition are left out; none is made while that one is larger than the setting outbox.default_partition_max, 64MB.';

-- Dropping ------------------------------------------------------------------------------------------------------------------------
-- The caller must pass a time before which everything has been published: below the agent's confirmed position, and below the
-- oldest parked event. This function cannot know either. What it drops is gone for consumers to come and for every repair.
CREATE OR REPLACE FUNCTION outbox_partitions_drop(before timestamptz) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
  partition text;
  dropped   int := 0;
BEGIN
  IF before IS NULL OR before > clock_timestamp() - interval '1 day' THEN
    RAISE EXCEPTION 'outbox_partitions_drop(before => %): refuses to drop events younger than one day', before
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Pass a time at least one day ago, below the agent''s confirmed position.';
  END IF;

  LOCK TABLE outbox_event IN SHARE UPDATE EXCLUSIVE MODE;

  FOR partition IN SELECT p.name FROM outbox_partitions() AS p WHERE p.until_time <= before ORDER BY p.until_time LOOP
    BEGIN
      EXECUTE format('DROP TABLE %I.%I', current_schema(), partition);
      dropped := dropped + 1;
    EXCEPTION
      WHEN lock_not_available THEN
        RAISE WARNING '% was not dropped: a transaction holds it; try again later', partition;
        EXIT;
    END;
  END LOOP;
  RETURN dropped;
END
$$;

COMMENT ON FUNCTION outbox_partitions_drop(timestamptz) IS 'Drops the partitions that end at or before the given time and returns how many. The caller guarantees that all of it was published.';

-- Rights and names ----------------------------------------------------------------------------------------------------------------
-- A function is everybody's to call until one says otherwise, and these two act with their owner's rights.
REVOKE EXECUTE ON FUNCTION outbox_partitions_create(int), outbox_partitions_drop(timestamptz) FROM PUBLIC;

-- The functions stay with the tables of this schema. With their owner's rights a caller's search_path would be a way in; pg_temp
-- comes last, or a temporary table could pose as the outbox.
-- lock_timeout: a lock request that waits makes every later writer wait behind it. Better to give up and come again.
DO $do$
BEGIN
  EXECUTE format('ALTER FUNCTION outbox_partitions() SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION outbox_partitions_create(int) SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION outbox_partitions_drop(timestamptz) SET search_path = %I, pg_temp', current_schema());
END
$do$;
ALTER FUNCTION outbox_partitions_create(int) SET lock_timeout = '2s';
ALTER FUNCTION outbox_partitions_drop(timestamptz) SET lock_timeout = '2s';

-- The first week.
SELECT outbox_partitions_create();
