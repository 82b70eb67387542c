-- A standby that took over without the last writes, a server that was brought back to a point in time
-- and a dump restored into the same server count on from an earlier number. A reader with a cursor from
-- beyond it would miss what then gets the same numbers. So a history is also that of one timeline, which
-- every promotion and recovery to a point begins, and of one table, which every restore of a dump makes.
-- lock: none
-- down loses nothing; readers begin again

-- migrate:up
create or replace function history_of(owner bigint) returns text
language sql
stable
as $$
  select concat_ws(
    ' ', system_identifier,
    -- From a promotion to the checkpoint after it only the second knows.
    greatest(timeline_id, min_recovery_end_timeline),
    to_regclass('public.todos')::oid
  )
  from pg_control_system(), pg_control_checkpoint(), pg_control_recovery()
$$;

-- migrate:down
create or replace function history_of(owner bigint) returns text
language sql
stable
as $$
  select system_identifier::text from pg_control_system()
$$;
