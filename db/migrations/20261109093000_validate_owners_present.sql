-- Reads every row once while writes go on.
-- lock: share update exclusive on todos and students
-- down loses nothing

-- migrate:up
alter table todos validate constraint todos_owner_id_present;

alter table students validate constraint students_owner_id_present;

-- migrate:down
alter table students drop constraint students_owner_id_present;

alter table students
  add constraint students_owner_id_present check (owner_id is not null) not valid;

alter table todos drop constraint todos_owner_id_present;

alter table todos add constraint todos_owner_id_present check (owner_id is not null) not valid;
