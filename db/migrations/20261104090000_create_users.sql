-- Accounts, as the fourth tutorial has them.
-- lock: none, the table is new
-- down loses every user

-- migrate:up
create table users (
  id bigint generated always as identity,
  name text not null,
  email text not null,
  constraint users_pkey primary key (id)
);

comment on table users is 'An account. Everything else belongs to one.';

-- migrate:down
drop table users;
