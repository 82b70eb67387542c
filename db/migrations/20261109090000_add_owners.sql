-- Todos and students get an owner. Expand: nullable at first, so that code which does not know the
-- column still inserts.
-- lock: access exclusive on todos and students, for a moment
-- down loses who owns what

-- migrate:up
alter table todos add column owner_id bigint;

alter table students add column owner_id bigint;

comment on column todos.owner_id is 'The user whose todo it is. Never on the wire.';
comment on column students.owner_id is 'The user on whose roster it is. Never on the wire.';

-- migrate:down
alter table students drop column owner_id;

alter table todos drop column owner_id;
