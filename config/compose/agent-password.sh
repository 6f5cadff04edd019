#!/bin/sh
# Runs once, after the SQL files, when the database is made. The role comes without a password, since SQL files are no place for one.
# \getenv keeps it out of the list of processes.
psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv password OUTBOX_DB_PASSWORD
ALTER ROLE outbox_agent PASSWORD :'password';
SQL
