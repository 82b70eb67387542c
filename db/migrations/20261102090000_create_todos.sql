-- A todo, as the first tutorial has it: something to do, perhaps by a date.
-- lock: none, the table is new
-- down loses every todo

-- migrate:up
create table todos (
  id bigint generated always as identity,
  description text not null,
  completed boolean not null default false,
  due_date timestamptz,
  constraint todos_pkey primary key (id)
);

comment on table todos is 'Something that a user wants to get done.';
comment on column todos.due_date is 'Null: no date is set.';

-- migrate:down
drop table todos;
