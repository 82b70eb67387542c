-- A todo may be assigned to a student, and only to one of the same owner: the composite key says
-- so, no code has to. Deleting the student keeps the todo. Not valid: even a column that is null
-- throughout is read row by row, and under the lock of its addition nobody else could.
-- lock: access exclusive on todos, share row exclusive on students, for a moment
-- down loses every assignment

-- migrate:up
alter table todos add column student_id bigint;

alter table todos
  add constraint todos_student_id_fkey foreign key (owner_id, student_id)
  references students (owner_id, id) on delete set null (student_id) not valid;

comment on column todos.student_id is 'To whom it is assigned; a student of the same owner.';

-- migrate:down
alter table todos drop constraint todos_student_id_fkey;

alter table todos drop column student_id;
