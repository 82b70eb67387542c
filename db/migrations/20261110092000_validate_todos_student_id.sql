-- Reads every row once while writes go on.
-- lock: share update exclusive on todos, row share on students
-- down loses nothing

-- migrate:up
alter table todos validate constraint todos_student_id_fkey;

-- migrate:down
alter table todos drop constraint todos_student_id_fkey;

alter table todos
  add constraint todos_student_id_fkey foreign key (owner_id, student_id)
  references students (owner_id, id) on delete set null (student_id) not valid;
