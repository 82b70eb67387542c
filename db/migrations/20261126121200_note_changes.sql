-- Each change of a todo or a student gets its transaction's number, and each deletion is noted, also
-- one by a foreign key. Where the user goes as well, nobody is left to follow.
-- lock: share row exclusive on todos and students, for a moment
-- down loses nothing; what changes then is not followed

-- migrate:up
create function touch_followed_row() returns trigger
language plpgsql
as $$
begin
  -- Only a restore sets the number by hand, and changes nothing else.
  if new.changed_in = old.changed_in then
    new.version := old.version + 1;
    new.updated_at := now();
    new.changed_in := pg_current_xact_id();
  end if;
  return new;
end
$$;

comment on function touch_followed_row is 'touch_row() of a row that copies follow.';

create function note_deletion() returns trigger
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

comment on function note_deletion is 'Keeps a deleted row''s id, and takes two old ones along.';

create or replace trigger students_touch before update on students
  for each row when (old.* is distinct from new.*) execute function touch_followed_row();

create or replace trigger todos_touch before update on todos
  for each row when (old.* is distinct from new.*) execute function touch_followed_row();

create trigger students_note_deletion after delete on students
  for each row execute function note_deletion('student');

create trigger todos_note_deletion after delete on todos
  for each row execute function note_deletion('todo');

-- migrate:down
drop trigger todos_note_deletion on todos;

drop trigger students_note_deletion on students;

create or replace trigger todos_touch before update on todos
  for each row when (old.* is distinct from new.*) execute function touch_row();

create or replace trigger students_touch before update on students
  for each row when (old.* is distinct from new.*) execute function touch_row();

drop function note_deletion();

drop function touch_followed_row();
