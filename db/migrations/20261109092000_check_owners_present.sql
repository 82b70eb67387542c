-- First half of not null without a long lock: new rows are checked at once, old ones in the next
-- migration.
-- lock: access exclusive on todos and students, for a moment
-- down loses nothing

-- migrate:up
alter table todos add constraint todos_owner_id_present check (owner_id is not null) not valid;

alter table students
  add constraint students_owner_id_present check (owner_id is not null) not valid;

-- migrate:down
alter table students drop constraint students_owner_id_present;

alter table todos drop constraint todos_owner_id_present;
