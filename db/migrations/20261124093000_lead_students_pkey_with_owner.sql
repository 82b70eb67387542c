-- As for todos. The index is the one that todos refer to, and stays it under its new name.
-- lock: access exclusive on students, for a moment
-- down loses nothing

-- migrate:up
alter table students drop constraint students_pkey;

alter table students add constraint students_pkey primary key using index students_owner_id_id_key;

-- migrate:down
alter table todos drop constraint todos_student_id_fkey;

alter table students drop constraint students_pkey;

create unique index students_owner_id_id_key on students (owner_id, id);

alter table students add constraint students_pkey primary key (id);

alter table todos
  add constraint todos_student_id_fkey foreign key (owner_id, student_id)
  references students (owner_id, id) on delete set null (student_id);
