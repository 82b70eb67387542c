-- The number behind every ETag. A trigger counts it, not the application: a student's deletion
-- changes todos through a foreign key, and their ETags must change as well. An update that changes
-- nothing keeps its number.
-- lock: access exclusive on the three tables, for a moment
-- down loses every row's version

-- migrate:up
alter table todos add column version bigint not null default 1;

alter table students add column version bigint not null default 1;

alter table users add column version bigint not null default 1;

create function touch_row() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end
$$;

comment on function touch_row() is 'Counts a row''s version, the source of its ETag.';

create trigger todos_touch before update on todos
  for each row when (old.* is distinct from new.*) execute function touch_row();

create trigger students_touch before update on students
  for each row when (old.* is distinct from new.*) execute function touch_row();

create trigger users_touch before update on users
  for each row when (old.* is distinct from new.*) execute function touch_row();

comment on column todos.version is 'Grows by one with every change; the ETag.';
comment on column students.version is 'Grows by one with every change; the ETag.';
comment on column users.version is 'Grows by one with every change; the ETag.';

-- migrate:down
drop trigger users_touch on users;

drop trigger students_touch on students;

drop trigger todos_touch on todos;

drop function touch_row();

alter table users drop column version;

alter table students drop column version;

alter table todos drop column version;
