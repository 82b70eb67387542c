-- Who keeps a copy asks for what has changed, in the order of transactions' numbers: a page ends where
-- the oldest transaction that is still open begins, so no commit is ever missed. Rows that are there
-- have number 0 and come first.
-- lock: access exclusive on todos and students, for a moment
-- down loses which transaction changed a row

-- migrate:up
alter table students add column changed_in xid8 not null default '0';

alter table students alter column changed_in set default pg_current_xact_id();

alter table todos add column changed_in xid8 not null default '0';

alter table todos alter column changed_in set default pg_current_xact_id();

comment on column students.changed_in is 'The number of the transaction that changed it last. Never on the wire.';
comment on column todos.changed_in is 'The number of the transaction that changed it last. Never on the wire.';

-- migrate:down
alter table todos drop column changed_in;

alter table students drop column changed_in;
