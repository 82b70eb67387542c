-- The old deletions that go with a new one are found by their key and not by their place in the table
-- (ctid), of which Citus allows no change.
-- lock: none
-- down loses nothing

-- migrate:up
create or replace function note_deletion() returns trigger
language plpgsql
as $$
begin
  insert into public.deletions (owner_id, kind, row_id)
  select old.owner_id, tg_argv[0], old.id
  where exists (select from public.users u where u.id = old.owner_id);
  delete from public.deletions d
  where d.owner_id = old.owner_id and (d.changed_in, d.kind, d.row_id) in (
    select o.changed_in, o.kind, o.row_id
    from public.deletions o
    where o.owner_id = old.owner_id and o.deleted_at < now() - interval '31 days'
    order by o.deleted_at
    limit 2
    for update skip locked
  );
  return null;
end
$$;

-- migrate:down
create or replace function note_deletion() returns trigger
language plpgsql
as $$
begin
  insert into public.deletions (owner_id, kind, row_id)
  select old.owner_id, tg_argv[0], old.id
  where exists (select from public.users u where u.id = old.owner_id);
  delete from public.deletions d
  where d.ctid = any (array(
    select o.ctid
    from public.deletions o
    where o.owner_id = old.owner_id and o.deleted_at < now() - interval '31 days'
    order by o.deleted_at
    limit 2
    for update skip locked
  ));
  return null;
end
$$;
