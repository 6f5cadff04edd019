-- What a consumer remembers of its messages, in the consumer's own database, in the transaction of their effects (inbox-lib).
--
-- Safe to run again. Needs nothing of the other files. Call inbox_clean() at least daily, or let InboxRetention of inbox-lib do it:
-- it makes the next days' partitions and drops those nobody needs to remember.
--
-- Keys of messages: a UUID version 7 is its own key, so that a day of them is a partition and forgetting a day is DROP TABLE. Every
-- other id is hashed to a key that begins with ff, above every moment until the year 10889; those lie in a partition of their own,
-- so that the default partition stays empty: a new day is attached only after a look at every row of it, while consumers wait.

-- Messages ------------------------------------------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS inbox_message (
  message_key  uuid        NOT NULL,
  received_at  timestamptz NOT NULL DEFAULT now(),
  consumer     text        NOT NULL,
  -- What the first call was asked and answered, where the caller wants repeats to get the same answer.
  request_hash bytea,
  result       bytea,
  -- No other constraint: PostgreSQL prepares a CHECK anew with every statement, which costs about a fifth of the insert. The
  -- library refuses consumers' names that are empty or too long.
  CONSTRAINT inbox_message_pkey PRIMARY KEY (consumer, message_key)
) PARTITION BY RANGE (message_key);

CREATE TABLE IF NOT EXISTS inbox_message_foreign PARTITION OF inbox_message
  FOR VALUES FROM ('ff000000-0000-0000-0000-000000000000') TO (MAXVALUE);
-- Days that have no partition: long ago, far ahead, or nobody made it in time.
CREATE TABLE IF NOT EXISTS inbox_message_default PARTITION OF inbox_message DEFAULT;

COMMENT ON TABLE inbox_message IS 'One row for each message a consumer has handled; the same transaction holds its effects.';
COMMENT ON COLUMN inbox_message.message_key IS 'The id itself where it is a UUID version 7, otherwise a hash of it.';

-- One row: messages made before the floor may have been forgotten. inbox_clean() moves it before it forgets.
CREATE TABLE IF NOT EXISTS inbox_floor (
  is_only_row    boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (is_only_row),
  floor          timestamptz NOT NULL DEFAULT '-infinity',
  previous_floor timestamptz NOT NULL DEFAULT '-infinity',
  moved_at       timestamptz NOT NULL DEFAULT now()
);
INSERT INTO inbox_floor DEFAULT VALUES ON CONFLICT DO NOTHING;

COMMENT ON TABLE inbox_floor IS 'Messages made before this moment may have been forgotten, so they are refused and not handled again.';

-- Marks: for sources whose messages are numbered, one row instead of one per message ----------------------------------------------
CREATE TABLE IF NOT EXISTS inbox_watermark (
  consumer          text        NOT NULL,
  source            text        NOT NULL,
  topic             text        NOT NULL,
  message_partition int         NOT NULL,
  epoch             bigint      NOT NULL,
  sequence          bigint      NOT NULL,
  updated_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, source, topic, message_partition)
-- Updated with every batch: room for new versions on the same page keeps the index out of it.
) WITH (fillfactor = 20);

COMMENT ON TABLE inbox_watermark IS 'Number of the last message handled, for each source and partition. What is of its epoch, up to it, is a repeat.';

CREATE TABLE IF NOT EXISTS inbox_epoch_accepted (
  consumer    text        NOT NULL,
  source      text        NOT NULL,
  epoch       bigint      NOT NULL,
  accepted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, source, epoch)
);

COMMENT ON TABLE inbox_epoch_accepted IS 'Epochs that a person has let begin. A mark goes on into one when its partition comes to it.';

CREATE TABLE IF NOT EXISTS inbox_epoch_end (
  consumer          text        NOT NULL,
  source            text        NOT NULL,
  topic             text        NOT NULL,
  message_partition int         NOT NULL,
  epoch             bigint      NOT NULL,
  sequence          bigint      NOT NULL,
  ended_at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, source, topic, message_partition, epoch)
);

COMMENT ON TABLE inbox_epoch_end IS 'Number of the last message handled in an epoch that the mark has left. What is of that epoch, up to it, is a repeat.';

-- Offsets kept with the effects, so that a restored database goes on where its data ends ------------------------------------------
CREATE TABLE IF NOT EXISTS inbox_offset (
  consumer          text        NOT NULL,
  topic             text        NOT NULL,
  message_partition int         NOT NULL,
  next_offset       bigint      NOT NULL,
  -- Kafka's id of the topic: one that was deleted and made anew has another, and its offsets begin again.
  topic_id          uuid,
  updated_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, topic, message_partition)
) WITH (fillfactor = 20);

COMMENT ON TABLE inbox_offset IS 'Offset of the next message to read. Everything before it has been handled or is a dead letter.';

-- Dead letters --------------------------------------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS inbox_dead_letter (
  dead_letter_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer          text        NOT NULL,
  state             text        NOT NULL,
  topic             text        NOT NULL,
  message_partition int         NOT NULL,
  message_offset    bigint      NOT NULL,
  -- NULL where the message has no usable id. Backslashes are doubled, and what text cannot hold is written as \uXXXX.
  message_id        text,
  message_key       uuid,
  -- Whether the inbox knows the message, by its id or by a mark. Of others a retry asks the inbox first.
  is_admitted       boolean     NOT NULL,
  record_key        bytea,
  record_key_hash   uuid,
  -- NULL is a message without a value.
  payload           bytea,
  sent_at           timestamptz NOT NULL,
  -- Both are empty while it waits and was not tried.
  reason            text        NOT NULL,
  detail            text        NOT NULL,
  attempts          int         NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now(),
  changed_at        timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT inbox_dead_letter_state CHECK (state IN ('failed', 'waiting'))
);

-- The index of an earlier version that had the name, and what a build that failed has left behind. Only of this schema's table,
-- whatever else is on the search_path.
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
       AND t.relname = 'inbox_dead_letter'
       AND c.relname = 'inbox_dead_letter_message'
       AND (i.indexprs IS NULL OR NOT i.indisvalid)
  LOOP
    EXECUTE format('DROP INDEX %s', spent);
  END LOOP;
END;
$$;

-- Which keys are held, and what comes next for a key.
CREATE INDEX IF NOT EXISTS inbox_dead_letter_key ON inbox_dead_letter (consumer, topic, record_key_hash, dead_letter_id);
-- Whether a message without id is there already, when it comes again.
CREATE INDEX IF NOT EXISTS inbox_dead_letter_place ON inbox_dead_letter (consumer, topic, message_partition, message_offset);
-- The dead letters of an id, of whichever source. Of a long one its beginning: an entry of an index holds 2,700 bytes at most.
CREATE INDEX IF NOT EXISTS inbox_dead_letter_message ON inbox_dead_letter (consumer, pg_catalog.left(message_id, 200));
-- Pages of lists; what is old enough to be purged.
CREATE INDEX IF NOT EXISTS inbox_dead_letter_page ON inbox_dead_letter (consumer, dead_letter_id);
CREATE INDEX IF NOT EXISTS inbox_dead_letter_created ON inbox_dead_letter (consumer, created_at);

COMMENT ON TABLE inbox_dead_letter IS 'Messages that could not be handled (failed) and those of the same key that came after them (waiting).';
COMMENT ON COLUMN inbox_dead_letter.dead_letter_id IS 'The order of the messages of a key: the smallest one is in front.';

CREATE TABLE IF NOT EXISTS inbox_dead_letter_header (
  dead_letter_id bigint NOT NULL REFERENCES inbox_dead_letter ON DELETE CASCADE,
  ordinal        int    NOT NULL,
  -- Written like message_id.
  name           text   NOT NULL,
  value          bytea,
  PRIMARY KEY (dead_letter_id, ordinal)
);

-- Partitions and forgetting -------------------------------------------------------------------------------------------------------
CREATE OR REPLACE FUNCTION inbox_first_key(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
  -- No such id is older than 1970. Negative numbers would become the largest keys, and -infinity is no number at all.
  SELECT (lpad(to_hex(floor(extract(epoch FROM greatest(moment, '1970-01-01 UTC')) * 1000)::bigint), 12, '0')
          || '70008000000000000000')::uuid
$$;

COMMENT ON FUNCTION inbox_first_key(timestamptz) IS 'The smallest UUID version 7 of that millisecond: a bound for partitions and for queries by time. Moments before 1970 count as 1970.';

CREATE OR REPLACE FUNCTION inbox_partitions()
RETURNS TABLE (name text, from_key uuid, until_key uuid, rows_estimate bigint, bytes bigint)
LANGUAGE sql STABLE
AS $$
  SELECT partition.relname::text,
         substring(bound.definition FROM 'FROM \(''([0-9a-f-]{36})''\)')::uuid,
         substring(bound.definition FROM 'TO \(''([0-9a-f-]{36})''\)')::uuid,
         -- -1 means that nobody has counted yet.
         nullif(partition.reltuples, -1)::bigint,
         pg_total_relation_size(partition.oid)
  FROM pg_inherits AS inheritance
  JOIN pg_class AS partition ON partition.oid = inheritance.inhrelid
  CROSS JOIN LATERAL (SELECT pg_get_expr(partition.relpartbound, partition.oid) AS definition) AS bound
  WHERE inheritance.inhparent = 'inbox_message'::regclass
  ORDER BY 2 NULLS LAST, 1
$$;

COMMENT ON FUNCTION inbox_partitions() IS 'The partitions of inbox_message, oldest first; the default partition has no keys. rows_estimate is NULL before the first ANALYZE.';

-- SECURITY DEFINER: only the owner of a table may add a partition, and the application should not own it.
CREATE OR REPLACE FUNCTION inbox_partitions_create(days_ahead int DEFAULT 7) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
  -- Days of UTC, whatever the session's time zone: the names must not depend on who calls.
  today     date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
  day       date;
  partition text;
  first_key uuid;
  next_key  uuid;
  has_rows  boolean;
  created   int  := 0;
BEGIN
  IF days_ahead IS NULL OR days_ahead NOT BETWEEN 0 AND 366 THEN
    RAISE EXCEPTION 'inbox_partitions_create(days_ahead => %): must be between 0 and 366', days_ahead
      USING ERRCODE = 'invalid_parameter_value';
  END IF;

  -- One caller at a time. Consumers do not wait for this lock.
  LOCK TABLE inbox_message IN SHARE UPDATE EXCLUSIVE MODE;

  FOR day IN SELECT today + n FROM generate_series(0, days_ahead) AS n LOOP
    partition := 'inbox_message_p' || to_char(day, 'YYYYMMDD');
    CONTINUE WHEN to_regclass(format('%I.%I', current_schema(), partition)) IS NOT NULL;

    first_key := inbox_first_key(day::timestamp AT TIME ZONE 'UTC');
    next_key  := inbox_first_key((day + 1)::timestamp AT TIME ZONE 'UTC');

    -- A range whose rows are in the default partition already cannot be attached. They stay there; so will the rest of that day.
    SELECT EXISTS (
      SELECT FROM inbox_message_default AS m WHERE m.message_key >= first_key AND m.message_key < next_key
    ) INTO has_rows;
    CONTINUE WHEN has_rows;

    BEGIN
      -- Made first and attached then: CREATE TABLE ... PARTITION OF would lock out every consumer.
      EXECUTE format('CREATE TABLE %I.%I (LIKE inbox_message INCLUDING ALL)', current_schema(), partition);
      EXECUTE format('ALTER TABLE inbox_message ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
                     current_schema(), partition, first_key, next_key);
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

COMMENT ON FUNCTION inbox_partitions_create(int) IS 'Makes the daily partitions from today to days_ahead that are missing and returns how many. Days with rows in the default partition are left out.';

-- Rows outside the days are found by the time they came; of a dropped day nothing has to be found.
CREATE INDEX IF NOT EXISTS inbox_message_foreign_received ON inbox_message_foreign (received_at);
CREATE INDEX IF NOT EXISTS inbox_message_default_received ON inbox_message_default (received_at);

-- Moves the floor to the start of the day that lies keep ago and drops the days before it. Where the floor stands there already, it
-- deletes up to rows_max rows that are older and lie in no day's partition: not in the same transaction, because consumers wait for
-- the end of one that drops. Call it again while is_done is false. No row comes back where another session is at it.
CREATE OR REPLACE FUNCTION inbox_clean(keep interval, rows_max int DEFAULT 10000)
RETURNS TABLE (floor timestamptz, partitions_dropped int, rows_deleted int, is_done boolean)
LANGUAGE plpgsql SECURITY DEFINER
AS $$
#variable_conflict use_column
DECLARE
  state      inbox_floor%ROWTYPE;
  new_floor  timestamptz;
  -- Rows without a time in their key are compared with the floor by who asks. It may have read the floor some minutes ago, so a
  -- floor counts for them only once it has stood for a while.
  safe_floor timestamptz;
  -- A producer's clock may be ahead of ours, by an hour at most where the broker has its defaults
  -- (message.timestamp.after.max.ms), so that a row came before its message says it was sent.
  came_until timestamptz;
  doomed     text;
  is_moved   boolean := false;
  dropped    int     := 0;
  deleted    int     := 0;
  more       int;
BEGIN
  IF keep IS NULL OR keep < interval '1 hour' THEN
    RAISE EXCEPTION 'inbox_clean(keep => %): must be at least one hour', keep
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Keep messages as long as they can come again: the retention of the topics, and some days more.';
  END IF;
  IF rows_max IS NULL OR rows_max < 1 THEN
    RAISE EXCEPTION 'inbox_clean(rows_max => %): must be positive', rows_max USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF NOT pg_try_advisory_xact_lock('inbox_message'::regclass::oid::int, 0) THEN
    RETURN;
  END IF;

  SELECT * INTO STRICT state FROM inbox_floor;
  new_floor := date_trunc('day', (clock_timestamp() - keep) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
  IF new_floor > state.floor THEN
    BEGIN
      -- The parent first, as consumers do: who holds a partition and waits for the parent deadlocks with them.
      LOCK TABLE ONLY inbox_message IN ACCESS EXCLUSIVE MODE;
      UPDATE inbox_floor
      SET previous_floor = CASE WHEN moved_at < clock_timestamp() - interval '10 minutes'
                                THEN inbox_floor.floor ELSE previous_floor END,
          floor = new_floor,
          moved_at = clock_timestamp();
      -- From the same moment on, a forgotten message cannot come back through the default partition, whatever its session's
      -- snapshot says of the floor. NOT VALID: the rows that are there stay until they are deleted.
      ALTER TABLE inbox_message_default DROP CONSTRAINT IF EXISTS inbox_message_not_older_than_floor;
      EXECUTE format('ALTER TABLE inbox_message_default ADD CONSTRAINT inbox_message_not_older_than_floor'
                     || ' CHECK (message_key >= %L) NOT VALID', inbox_first_key(new_floor));
      FOR doomed IN
        SELECT p.name FROM inbox_partitions() AS p WHERE p.until_key <= inbox_first_key(new_floor) ORDER BY p.until_key
      LOOP
        EXECUTE format('DROP TABLE %I.%I', current_schema(), doomed);
        dropped := dropped + 1;
      END LOOP;
      is_moved := true;
    EXCEPTION
      WHEN lock_not_available THEN
        RAISE WARNING 'inbox_message was not cleaned: transactions hold it; try again later';
        dropped := 0;
    END;
    SELECT * INTO STRICT state FROM inbox_floor;
  END IF;

  -- After the floor: it takes a lock on the default partition, and would keep it while the floor waits for consumers.
  BEGIN
    PERFORM inbox_partitions_create();
  EXCEPTION
    WHEN lock_not_available THEN
      RAISE WARNING 'no partitions were created: another session alters or analyzes inbox_message; try again later';
  END;

  IF NOT is_moved THEN
    safe_floor := CASE WHEN state.moved_at < clock_timestamp() - interval '10 minutes'
                       THEN state.floor ELSE state.previous_floor END;
    came_until := safe_floor - interval '1 hour';

    DELETE FROM inbox_message_foreign
    WHERE ctid = ANY (ARRAY(
      SELECT m.ctid FROM inbox_message_foreign AS m
      WHERE m.received_at < came_until
      ORDER BY m.received_at
      LIMIT rows_max));
    GET DIAGNOSTICS deleted = ROW_COUNT;

    DELETE FROM inbox_message_default
    WHERE ctid = ANY (ARRAY(
      SELECT m.ctid FROM inbox_message_default AS m
      WHERE m.received_at < came_until AND m.message_key < inbox_first_key(state.floor)
      ORDER BY m.received_at
      LIMIT rows_max - deleted));
    GET DIAGNOSTICS more = ROW_COUNT;
    deleted := deleted + more;
  END IF;

  RETURN QUERY SELECT state.floor, dropped, deleted, NOT is_moved AND deleted < rows_max;
END
$$;

COMMENT ON FUNCTION inbox_clean(interval, int) IS 'Forgets messages made longer than keep ago: whole days by DROP, others in bounded numbers. Returns nothing where another session cleans.';

-- Rights and names ----------------------------------------------------------------------------------------------------------------
-- The functions stay with the tables of this schema; with their owner's rights a caller's search_path would be a way in.
-- lock_timeout: a lock request that waits makes every consumer wait behind it. Better to give up and come again.
REVOKE EXECUTE ON FUNCTION inbox_partitions_create(int), inbox_clean(interval, int) FROM PUBLIC;
DO $do$
BEGIN
  EXECUTE format('ALTER FUNCTION inbox_partitions() SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION inbox_partitions_create(int) SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION inbox_clean(interval, int) SET search_path = %I, pg_temp', current_schema());
END
$do$;
ALTER FUNCTION inbox_partitions_create(int) SET lock_timeout = '2s';
ALTER FUNCTION inbox_clean(interval, int) SET lock_timeout = '2s';
-- Notices of constraints that were not there yet would look like trouble in the cleaner's log.
ALTER FUNCTION inbox_clean(interval, int) SET client_min_messages = 'warning';

-- The first week.
SELECT inbox_partitions_create();
