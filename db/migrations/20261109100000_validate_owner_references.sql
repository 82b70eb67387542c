-- Reads every row once while writes go on.
-- lock: share update exclusive on todos and students, row share on users
-- down loses nothing

-- migrate:up
alter table todos validate constraint todos_owner_id_fkey;

alter table students validate constraint students_owner_id_fkey;

-- migrate:down
alter table students drop constraint students_owner_id_fkey;

alter table students
  add constraint students_owner_id_fkey foreign key (owner_id) references users (id)
  on delete cascade not valid;

alter table todos drop constraint todos_owner_id_fkey;

alter table todos
  add constraint todos_owner_id_fkey foreign key (owner_id) references users (id)
  on delete cascade not valid;
