-- A student's todos, and the foreign key's own look-up when a student is deleted. Partial: most
-- todos are nobody's.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_student_id_idx
  on todos (owner_id, student_id, id) where student_id is not null;

-- migrate:down transaction:false
drop index concurrently todos_student_id_idx;
