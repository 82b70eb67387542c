-- The second tutorial's table, before anybody changed it by hand.
-- lock: none, the table is new
-- down loses every student

-- migrate:up
create table students (
  id bigint generated always as identity,
  first_name text not null,
  last_name text not null,
  constraint students_pkey primary key (id)
);

comment on table students is 'A person on a user''s roster, to whom todos may be assigned.';

-- migrate:down
drop table students;
