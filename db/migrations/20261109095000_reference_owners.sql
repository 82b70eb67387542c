-- An owner is an account, and what it owns goes with it. Not valid: old rows are checked next.
-- lock: share row exclusive on todos, students and users, for a moment
-- down loses nothing

-- migrate:up
alter table todos
  add constraint todos_owner_id_fkey foreign key (owner_id) references users (id)
  on delete cascade not valid;

alter table students
  add constraint students_owner_id_fkey foreign key (owner_id) references users (id)
  on delete cascade not valid;

-- migrate:down
alter table students drop constraint students_owner_id_fkey;

alter table todos drop constraint todos_owner_id_fkey;
