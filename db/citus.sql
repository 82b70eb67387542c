-- Spreads an installation over the nodes of a Citus cluster, for an administrator to run once on the
-- coordinator, on the database of Slate, after its migrations. What it gains and what costs more is
-- in docs/scaling.md.
--
--   psql "$ADMIN_URL" --command "select citus_set_coordinator_host('coordinator.internal')"
--   psql "$ADMIN_URL" --command "select citus_add_node('worker-1.internal', 5432)"
--   psql "$ADMIN_URL" --set ON_ERROR_STOP=1 --file db/citus.sql
--
-- Users are on every node: an email is unique among all of them, and everything refers to them. So
-- is a table with something that is unique among all owners. Every other table with an owner_id has
-- all rows of one owner on one node. Again finishes what was interrupted, spreads a table that has
-- come since, and numbers what has moved to another node; it changes nothing else.
-- lock: access exclusive on every table while its rows move; run it while nothing serves

-- A trigger may not reach for the rows of another node. Ours see those of their owner alone.
set citus.enable_unsafe_triggers = on;

begin;

-- A foreign key to a table that is on every node is checked over one connection a node.
set local citus.multi_shard_modify_mode = 'sequential';

do $$
declare
  owned regclass[] := array(
    select t.oid
    from pg_class t
    join pg_attribute a on a.attrelid = t.oid and a.attname = 'owner_id'
    where t.relnamespace = 'public'::regnamespace
      and t.relkind = 'r'
      and t.oid not in (
        select logicalrelid from pg_dist_partition where partmethod = 'h' or repmodel = 't'
      )
    order by t.relname <> 'keys'
  );
  one regclass;
  foreign_key record;
begin
  -- A foreign key would drag the table at its other end along, so all go first and come back last.
  create temporary table foreign_keys on commit drop as
  select
    conrelid::regclass as owner_table, conname as name, pg_get_constraintdef(oid) as definition,
    confdeltype = 'n' as sets_null
  from pg_constraint
  where contype = 'f' and conrelid = any (owned);

  for foreign_key in select * from foreign_keys loop
    execute format('alter table %s drop constraint %I', foreign_key.owner_table, foreign_key.name);
  end loop;
  if 'users'::regclass not in (select logicalrelid from pg_dist_partition) then
    perform create_reference_table('users');
  end if;
  foreach one in array owned loop
    -- What is unique among all owners, as an identity is, only a table on every node can tell.
    if exists (
      select from pg_index i
      join pg_attribute a on a.attrelid = i.indrelid and a.attname = 'owner_id'
      where i.indrelid = one and i.indisunique and a.attnum <> all (i.indkey)
    ) then
      perform create_reference_table(one);
      continue;
    end if;
    -- All beside the keys, as a statement reads its caller's key and its caller's rows at once.
    perform create_distributed_table(one, 'owner_id',
      colocate_with => case when one = 'keys'::regclass then 'default' else 'keys' end);
  end loop;
  for foreign_key in select * from foreign_keys order by sets_null loop
    -- Not by way of Citus, which refuses it; the nodes get it below.
    perform set_config('citus.enable_ddl_propagation', (not foreign_key.sets_null)::text, true);
    execute format('alter table %s add constraint %I %s',
      foreign_key.owner_table, foreign_key.name, foreign_key.definition);
  end loop;
end $$;

commit;

-- Citus refuses a foreign key that holds the owner and sets anything to null, even where that is
-- another column, as in "set null (student_id)". So each node is given it by hand: the table that
-- stands for all its shards, from which Citus makes what it moves or adds later, and each shard.
do $$
declare
  foreign_key record;
  failed text;
begin
  for foreign_key in
    select
      conrelid::regclass as owner_table, confrelid::regclass as referred, conname as name,
      pg_get_constraintdef(oid) as definition
    from pg_constraint
    join pg_dist_partition on logicalrelid = conrelid
    where contype = 'f' and confdeltype = 'n'
  loop
    select string_agg(format('%s:%s: %s', nodename, nodeport, result), '; ') into failed
    from (
      select nodename, nodeport, success, result
      from run_command_on_workers(format(
        'do $do$ begin
          set local citus.enable_ddl_propagation = off;
          alter table %s add constraint %I %s;
        exception when duplicate_object then null;
        end $do$',
        foreign_key.owner_table, foreign_key.name, foreign_key.definition))
      union all
      -- A shard and its constraint end in the shard's number.
      select nodename, nodeport, success, result
      from run_command_on_colocated_placements(foreign_key.owner_table, foreign_key.referred, format(
        'do $do$ begin
          execute ''alter table %%1$s add constraint '' ||
            quote_ident(%L || substring(''%%1$s'' from ''_[0-9]+$'')) || '' %s'';
        exception when duplicate_object then null;
        end $do$',
        foreign_key.name,
        replace(foreign_key.definition, format(' %s(', foreign_key.referred), ' %2$s(')))
    ) nodes
    where not success;
    if failed is not null then
      raise exception '% of % is not on every node; run this file again', foreign_key.name,
        foreign_key.owner_table using detail = failed;
    end if;
  end loop;
end $$;

-- A user is changed on every node, by that node's own trigger. All must say the same time, so where
-- several nodes take part it is the one at which Citus began the transaction.
create or replace function touch_row()
  returns trigger
  language plpgsql
as $$
declare
  shared record := get_current_transaction_id();
begin
  new.version := old.version + 1;
  new.updated_at := case
    when shared.transaction_number > 0 then shared.transaction_stamp
    else now()
  end;
  return new;
end
$$;

begin;

-- The number of a row's transaction must be one of the node that has the row. A default is drawn on the
-- coordinator, so a new row gets its number from a trigger of the node, as a changed one does.
create or replace function number_new_row()
  returns trigger
  language plpgsql
as $$
begin
  new.changed_in := pg_current_xact_id();
  return new;
end
$$;

-- A node counts for itself, and a shard that moves is made anew: its number in the catalogs tells the
-- place from every other one, also from an earlier one on the same node. The timeline as elsewhere.
create or replace function history_of(owner bigint) returns text
  language sql
  stable
as $$
  select concat_ws(
    ' ', system_identifier,
    greatest(timeline_id, min_recovery_end_timeline),
    to_regclass(format('public.todos_%s',
      get_shard_id_for_distribution_column('public.todos', owner)))::oid
  )
  from pg_control_system(), pg_control_checkpoint(), pg_control_recovery()
$$;

do $$
declare
  followed regclass;
begin
  for followed in
    select tgrelid from pg_trigger
    join pg_dist_partition on logicalrelid = tgrelid
    where tgfoid = 'touch_followed_row'::regproc
  loop
    execute format(
      'create or replace trigger %I before insert on %s
      for each row execute function number_new_row()',
      followed || '_number', followed);
  end loop;
end $$;

commit;

-- What came from a node that has counted further would wait for this one, so it gets a new number.
do $$
declare
  followed regclass;
  failed text;
begin
  for followed in
    select attrelid from pg_attribute
    join pg_dist_partition on logicalrelid = attrelid
    where attname = 'changed_in'
  loop
    select string_agg(result, '; ') into failed
    from run_command_on_placements(followed,
      'update %s set changed_in = pg_current_xact_id() where changed_in > pg_current_xact_id()')
    where not success;
    if failed is not null then
      raise exception 'not every row of % is numbered by its node; run this file again', followed
        using detail = failed;
    end if;
  end loop;
end $$;

do $$
begin
  -- Planners can only guess what comes from another node, and PostgreSQL guesses so high that it
  -- would compile a create, at most of a second, that runs in milliseconds.
  execute format('alter database %I set jit = off', current_database());
  -- A table to come stays one of PostgreSQL's alone until this file is run again.
  execute format('alter database %I set citus.enable_local_reference_table_foreign_keys = off',
    current_database());
  -- The settings from above, for the migrations to come and for db/grants.sql.
  execute format('alter database %I set citus.enable_unsafe_triggers = on', current_database());
  execute format('alter database %I set citus.multi_shard_modify_mode = sequential',
    current_database());
end $$;
