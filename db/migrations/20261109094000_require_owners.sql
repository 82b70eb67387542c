-- Contract: an owner is required. The valid check lets PostgreSQL skip the scan that set not null
-- otherwise makes under its lock.
-- lock: access exclusive on todos and students, for a moment
-- down loses nothing

-- migrate:up
alter table todos alter column owner_id set not null;

alter table todos drop constraint todos_owner_id_present;

alter table students alter column owner_id set not null;

alter table students drop constraint students_owner_id_present;

-- migrate:down
alter table students add constraint students_owner_id_present check (owner_id is not null);

alter table students alter column owner_id drop not null;

alter table todos add constraint todos_owner_id_present check (owner_id is not null);

alter table todos alter column owner_id drop not null;
