-- The tables of schema/postgresql/10_inbox.sql for MySQL 8.0.13+ and MariaDB 10.6+ (inbox-lib).
--
-- Safe to run again. InboxRetention of inbox-lib moves the floor and deletes what lies below it. Times are UTC.
--
-- Rows are deleted in bounded numbers and days are no partitions, other than in PostgreSQL: DDL commits on its own, so that floor and
-- DROP PARTITION could not be one transaction, and while it waits for one consumer's metadata lock all the others wait behind it.
-- Deleting costs less here, because the rows of a table lie in the order of its primary key: the oldest ids are its first pages.
--
-- innodb_flush_log_at_trx_commit must be 1, its default. With another value a crash of the server loses commits whose messages the
-- broker will not send again.

-- Messages ------------------------------------------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS inbox_message (
  message_key  binary(16)   NOT NULL COMMENT 'The id itself where it is a UUID version 7, otherwise a hash of it that begins with ff.',
  consumer     varchar(100) NOT NULL,
  received_at  datetime(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  claim        bigint       NULL COMMENT 'Tells the rows that one admission has added from those of others, also after its transaction.',
  request_hash varbinary(32) NULL,
  result       longblob     NULL,
  -- The key first: ids of one time lie together, whoever consumes them, and deleting the oldest empties whole pages.
  PRIMARY KEY (message_key, consumer),
  -- What is deleted is found by the time it came, because keys that begin with ff have no date.
  KEY inbox_message_received (received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC
  COMMENT = 'One row for each message a consumer has handled. The same transaction holds its effects.';

CREATE TABLE IF NOT EXISTS inbox_floor (
  is_only_row    tinyint     NOT NULL DEFAULT 1 PRIMARY KEY CHECK (is_only_row = 1),
  floor          datetime(6) NOT NULL,
  previous_floor datetime(6) NOT NULL,
  moved_at       datetime(6) NOT NULL,
  floor_key      binary(16)  NOT NULL COMMENT 'The smallest UUID version 7 of the floor. Who adds a message reads it in the same statement.'
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC
  COMMENT = 'Messages made before this moment may have been forgotten, so they are refused and not handled again.';

INSERT IGNORE INTO inbox_floor (is_only_row, floor, previous_floor, moved_at, floor_key)
VALUES (1, '1970-01-01 00:00:00', '1970-01-01 00:00:00', UTC_TIMESTAMP(6), x'00000000000000000000000000000000');

-- Marks: for sources whose messages are numbered, one row instead of one per message ----------------------------------------------
CREATE TABLE IF NOT EXISTS inbox_watermark (
  consumer    varchar(100) NOT NULL,
  source      varchar(255) NOT NULL,
  topic       varchar(249) NOT NULL,
  message_partition int    NOT NULL,
  epoch       bigint       NOT NULL,
  sequence    bigint       NOT NULL,
  updated_at  datetime(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (consumer, source, topic, message_partition)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC
  COMMENT = 'Number of the last message handled, for each source and partition. What is of its epoch, up to it, is a repeat.';

CREATE TABLE IF NOT EXISTS inbox_epoch_accepted (
  consumer    varchar(100) NOT NULL,
  source      varchar(255) NOT NULL,
  epoch       bigint       NOT NULL,
  accepted_at datetime(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (consumer, source, epoch)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC
  COMMENT = 'Epochs that a person has let begin. A mark goes on into one when its partition comes to it.';

CREATE TABLE IF NOT EXISTS inbox_epoch_end (
  consumer    varchar(100) NOT NULL,
  source      varchar(255) NOT NULL,
  topic       varchar(249) NOT NULL,
  message_partition int    NOT NULL,
  epoch       bigint       NOT NULL,
  sequence    bigint       NOT NULL,
  ended_at    datetime(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (consumer, source, topic, message_partition, epoch)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC
  COMMENT = 'Number of the last message handled in an epoch that the mark has left. What is of that epoch, up to it, is a repeat.';

-- Offsets kept with the effects, so that a restored database goes on where its data ends ------------------------------------------
CREATE TABLE IF NOT EXISTS inbox_offset (
  consumer          varchar(100) NOT NULL,
  topic             varchar(249) NOT NULL,
  message_partition int          NOT NULL,
  next_offset       bigint       NOT NULL,
  -- Kafka's id of the topic: one that was deleted and made anew has another, and its offsets begin again.
  topic_id          binary(16),
  updated_at        timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (consumer, topic, message_partition)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC
  COMMENT = 'Offset of the next message to read. Everything before it has been handled or is a dead letter.';

-- Dead letters --------------------------------------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS inbox_dead_letter (
  dead_letter_id    bigint       NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'The order of the messages of a key: the smallest one is in front.',
  consumer          varchar(100) NOT NULL,
  state             varchar(10)  NOT NULL,
  topic             varchar(249) NOT NULL,
  message_partition int          NOT NULL,
  message_offset    bigint       NOT NULL,
  message_id        text         NULL COMMENT 'NULL where the message has no usable id. Backslashes are doubled, and what text cannot hold is written as in Java.',
  message_key       binary(16)   NULL,
  is_admitted       boolean      NOT NULL COMMENT 'Whether the inbox knows the message, by its id or by a mark. Of others a retry asks the inbox first.',
  record_key        longblob     NULL,
  record_key_hash   binary(16)   NULL,
  payload           longblob     NULL COMMENT 'NULL is a message without a value.',
  sent_at           datetime(6)  NOT NULL,
  reason            text         NOT NULL COMMENT 'Empty, as is detail, while it waits and was not tried.',
  detail            mediumtext   NOT NULL,
  attempts          int          NOT NULL,
  created_at        datetime(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  changed_at        datetime(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  CONSTRAINT inbox_dead_letter_state CHECK (state IN ('failed', 'waiting')),
  -- Which keys are held, and what comes next for a key.
  KEY inbox_dead_letter_key (consumer, topic, record_key_hash, dead_letter_id),
  -- Whether a message without id is there already, when it comes again.
  KEY inbox_dead_letter_place (consumer, topic, message_partition, message_offset),
  -- The dead letters of an id, of whichever source. Of a long one its beginning: a key holds 3,072 bytes at most.
  KEY inbox_dead_letter_message (consumer, message_id(200)),
  -- Pages of lists, and what is old enough to be purged.
  KEY inbox_dead_letter_page (consumer, dead_letter_id),
  KEY inbox_dead_letter_created (consumer, created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC
  COMMENT = 'Messages that could not be handled (failed) and those of the same key that came after them (waiting).';

CREATE TABLE IF NOT EXISTS inbox_dead_letter_header (
  dead_letter_id bigint   NOT NULL,
  ordinal        int      NOT NULL,
  name           mediumtext NOT NULL COMMENT 'Written like message_id. Kafka sets no limit.',
  value          longblob NULL,
  PRIMARY KEY (dead_letter_id, ordinal),
  CONSTRAINT inbox_dead_letter_header_of FOREIGN KEY (dead_letter_id) REFERENCES inbox_dead_letter (dead_letter_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;

-- Tables of versions before took no name of more than 64 kB. It changes nothing where it has run.
ALTER TABLE inbox_dead_letter_header
  MODIFY name mediumtext NOT NULL COMMENT 'Written like message_id. Kafka sets no limit.';

-- Versions before had the key of the message in it, by which nobody asks. It changes nothing where it has run.
ALTER TABLE inbox_dead_letter
  DROP KEY inbox_dead_letter_message,
  ADD KEY inbox_dead_letter_message (consumer, message_id(200));
