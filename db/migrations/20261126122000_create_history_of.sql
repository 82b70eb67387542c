-- A cursor of GET /api/changes goes by the numbers of transactions, which each server counts for
-- itself. Restored to another server, rows would go on from a number that has nothing to do with the
-- cursor's, so a cursor names the server as well. db/citus.sql makes it the owner's place on a node.
-- lock: none
-- down loses nothing; GET /api/changes needs it

-- migrate:up
create function history_of(owner bigint) returns text
language sql
stable
as $$
  select system_identifier::text from pg_control_system()
$$;

comment on function history_of is 'Whose count the transactions of this owner''s changes are numbered by.';

-- migrate:down
drop function history_of(bigint);
