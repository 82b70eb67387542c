-- When a row came to be and when it last changed. now() is stable, so the default is evaluated
-- once and no table is rewritten; rows from before carry the moment of this migration.
-- lock: access exclusive on the three tables, for a moment
-- down loses every row's timestamps

-- migrate:up
alter table todos
  add column created_at timestamptz not null default now(),
  add column updated_at timestamptz not null default now();

alter table students
  add column created_at timestamptz not null default now(),
  add column updated_at timestamptz not null default now();

alter table users
  add column created_at timestamptz not null default now(),
  add column updated_at timestamptz not null default now();

-- migrate:down
alter table users drop column updated_at, drop column created_at;

alter table students drop column updated_at, drop column created_at;

alter table todos drop column updated_at, drop column created_at;
