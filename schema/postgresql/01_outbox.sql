-- The outbox: one row per event, written in the transaction that changes the business data.
--
-- Safe to run again. Everything is created in the current schema (the first one on the search_path), which should be one where
-- only trusted roles may create objects. PostgreSQL 14 or later.
--
-- A row that breaks a rule below fails here, in the transaction of the application, with the name of the rule in the message.
-- That is on purpose: once committed, an event that can never be published could only be parked and looked at by a person.

-- Ids -----------------------------------------------------------------------------------------------------------------------------
-- UUID version 7: 48 bits of milliseconds since 1970, 12 bits of fractions of a millisecond, 62 random bits. Ids made one after the
-- other sort one after the other, so the index stays small, and old rows can be dropped by the partition (02_partitions.sql).
-- They tell roughly when they were made; the order of events is the order of commits, never the order of ids.
DO $do$
BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    EXECUTE $sql$
      CREATE OR REPLACE FUNCTION outbox_uuid7() RETURNS uuid
      LANGUAGE sql VOLATILE PARALLEL SAFE
      AS $f$ SELECT uuidv7() $f$
    $sql$;
  ELSE
    -- gen_random_uuid() supplies strong random bits and the variant; time and version are laid over its first 8 bytes.
    EXECUTE $sql$
      CREATE OR REPLACE FUNCTION outbox_uuid7() RETURNS uuid
      LANGUAGE sql VOLATILE PARALLEL SAFE
      AS $f$
        SELECT encode(
                 substring(int8send(micros / 1000) FROM 3)                      -- 6 bytes: the milliseconds
                 || substring(int4send(28672 + (micros % 1000)::int * 4096 / 1000) FROM 3)  -- 2 bytes: 7, then the fraction
                 || substring(uuid_send(gen_random_uuid()) FROM 9),             -- 8 bytes: variant and chance
                 'hex')::uuid
        FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros) AS moment
      $f$
    $sql$;
  END IF;
END
$do$;

COMMENT ON FUNCTION outbox_uuid7() IS 'A new UUID version 7, sorted by time of creation to a fraction of a millisecond.';

-- Table ---------------------------------------------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS outbox_event (
  id             uuid        NOT NULL DEFAULT outbox_uuid7(),
  aggregate_type text        NOT NULL,
  aggregate_id   text        NOT NULL,
  event_type     text        NOT NULL,
  payload        json,
  content_type   text        NOT NULL DEFAULT 'application/json',
  headers        jsonb       NOT NULL DEFAULT '{}',
  topic          text,
  occurred_at    timestamptz NOT NULL DEFAULT clock_timestamp(),

  PRIMARY KEY (id),

  -- The type usually names the topic, and Kafka's topic names end at 249 characters.
  CONSTRAINT outbox_event_aggregate_type_must_not_be_empty
    CHECK (aggregate_type <> ''),
  CONSTRAINT outbox_event_aggregate_type_at_most_249_characters
    CHECK (char_length(aggregate_type) <= 249),
  -- Without a topic of its own an event goes where the agent's route.topic says, by default to a topic of this name. Where
  -- route.topic does without {aggregate_type}, any type will do: drop this rule (schema/README.md).
  CONSTRAINT outbox_event_aggregate_type_must_be_a_valid_topic_name
    CHECK (topic IS NOT NULL
           OR (aggregate_type ~ '^[a-zA-Z0-9._-]*$' AND aggregate_type NOT IN ('.', '..') AND aggregate_type NOT LIKE '\_\_%')),

  -- The id is the message key: events of one id stay in order. Without one they would be scattered over the partitions.
  CONSTRAINT outbox_event_aggregate_id_must_not_be_empty
    CHECK (aggregate_id <> ''),
  CONSTRAINT outbox_event_aggregate_id_at_most_1024_bytes
    CHECK (octet_length(aggregate_id) <= 1024),

  CONSTRAINT outbox_event_event_type_must_not_be_empty
    CHECK (event_type <> ''),
  CONSTRAINT outbox_event_event_type_at_most_249_characters
    CHECK (char_length(event_type) <= 249),
  -- Both become headers of the message, and a consumer may pass those on over HTTP, where the end of a line ends a header.
  CONSTRAINT outbox_event_aggregate_id_and_event_type_must_be_one_line
    CHECK ((aggregate_id || event_type) !~ '[\r\n]'),

  CONSTRAINT outbox_event_content_type_must_not_be_empty
    CHECK (content_type <> ''),
  CONSTRAINT outbox_event_content_type_at_most_249_characters
    CHECK (char_length(content_type) <= 249),
  -- With application/cloudevents consumers would take id and type from the payload instead of the headers.
  CONSTRAINT outbox_event_content_type_must_be_a_media_type
    CHECK (content_type = 'application/json'
           OR (content_type ~ '^([ -~]+/[ -~]*)?$' AND (content_type COLLATE "C") !~* '^ *application/cloudevents')),

  -- Brokers refuse messages above about one megabyte by default. To change the limit, replace the constraint and raise the
  -- broker's message.max.bytes first (schema/README.md shows how).
  CONSTRAINT outbox_event_payload_at_most_1000000_bytes
    CHECK (octet_length(payload::text) <= 1000000),

  -- "strict", because otherwise the path would look inside arrays and take ["text"] for a text.
  CONSTRAINT outbox_event_headers_must_be_an_object_of_strings
    CHECK (jsonb_typeof(headers) = 'object'
           AND NOT jsonb_path_exists(headers, 'strict $.* ? (@.type() != "string")', '{}', true)),
  CONSTRAINT outbox_event_headers_at_most_16384_bytes
    CHECK (octet_length(headers::text) <= 16384),
  -- Names of letters, digits, '.', '_' and '-', none of those that the agent sends in one style of headers or the other (a forged
  -- ce_id would make an inbox take one event for another), and values of one line. One expression on the text, because a rule costs
  -- each statement that inserts, and paths through JSON cost several times as much. In the text a name stands behind the first brace
  -- or behind '", ': within a value each quote has a backslash before it.
  CONSTRAINT outbox_event_headers_must_be_fit_to_send
    CHECK (headers = '{}' OR (headers::text COLLATE "C") !~*
           '(^\{|", )"(ce[_-]|outbox_|(content-type|id|eventtype)?"|[a-z0-9._-]*[^a-z0-9._"-])|(^|[^\\])(\\\\)*\\[rn]'),

  -- Two underscores start the broker's own topics; an event must never reach one.
  CONSTRAINT outbox_event_topic_must_be_a_valid_topic_name
    CHECK (topic ~ '^[a-zA-Z0-9._-]{1,249}$' AND topic NOT IN ('.', '..')),
  CONSTRAINT outbox_event_topic_must_not_start_with_two_underscores
    CHECK (topic NOT LIKE '\_\_%'),

  -- Infinity is no time, and the header's format ends with these years.
  CONSTRAINT outbox_event_occurred_at_must_be_in_years_0_to_9999
    CHECK (occurred_at >= '0001-01-01 00:00:00+00 BC' AND occurred_at < '10000-01-01 00:00:00+00')
)
-- By id and not by time of arrival: the primary key of a partitioned table has to contain the partition key, and only an id
-- that is unique everywhere can be told to be a repeat.
PARTITION BY RANGE (id);

-- Catches what no other partition takes: ids that are not version 7, and days nobody has made a partition for.
CREATE TABLE IF NOT EXISTS outbox_event_default PARTITION OF outbox_event DEFAULT;

COMMENT ON TABLE outbox_event IS 'Events to publish. Insert in the transaction of the change; never update. Old partitions are dropped, rows need not be deleted.';
COMMENT ON COLUMN outbox_event.id IS 'Message id, the same on every redelivery. Best left to the default, or a UUID version 7 of your own.';
COMMENT ON COLUMN outbox_event.aggregate_type IS 'What kind of thing the event is about, such as order. Usually chooses the topic.';
COMMENT ON COLUMN outbox_event.aggregate_id IS 'Which one it is about. Message key: events of one id are published in commit order.';
COMMENT ON COLUMN outbox_event.event_type IS 'What happened, such as OrderPlaced.';
COMMENT ON COLUMN outbox_event.payload IS 'The event. SQL NULL is a tombstone: on a compacted topic it deletes the key.';
COMMENT ON COLUMN outbox_event.content_type IS 'Media type of the payload.';
COMMENT ON COLUMN outbox_event.headers IS 'Message headers: a JSON object whose values are strings. traceparent and tracestate are passed on.';
COMMENT ON COLUMN outbox_event.topic IS 'A topic for this event alone, where the agent''s configuration allows it. Usually NULL.';
COMMENT ON COLUMN outbox_event.occurred_at IS 'When it happened. Travels as a header; the message itself has the time of publishing.';

-- One call for every language -----------------------------------------------------------------------------------------------------
-- SELECT outbox_publish('order', '4711', 'OrderPlaced', '{"total": 12.5}');
--
-- Columns of other types need casts, as in a trigger: outbox_publish('order', NEW.id::text, 'OrderPlaced', to_json(NEW)). There is
-- one function only, because with several of them PostgreSQL could not tell which one a call with plain literals means.
CREATE OR REPLACE FUNCTION outbox_publish(
  aggregate_type text,
  aggregate_id   text,
  event_type     text,
  payload        json,
  headers        jsonb DEFAULT '{}'
) RETURNS uuid
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  -- Not INSERT ... RETURNING, which needs the right to read the table. A writer has none.
  event_id uuid := outbox_uuid7();
BEGIN
  INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload, headers)
  VALUES (event_id, aggregate_type, aggregate_id, event_type, payload, coalesce(headers, '{}'));
  RETURN event_id;
END
$$;

COMMENT ON FUNCTION outbox_publish(text, text, text, json, jsonb) IS 'Writes one event in the caller''s transaction and returns its id. Runs with the caller''s rights.';

-- The function finds its table wherever the caller's search_path points. pg_temp comes last, or a temporary table could pose as the outbox.
DO $do$
BEGIN
  EXECUTE format('ALTER FUNCTION outbox_publish(text, text, text, json, jsonb) SET search_path = %I, pg_temp', current_schema());
END
$do$;
