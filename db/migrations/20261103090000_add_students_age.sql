-- The tutorial's first change of a live table. Nullable without a default: nothing is rewritten.
-- lock: access exclusive on students, for a moment
-- down loses every student's age

-- migrate:up
alter table students add column age integer;

comment on column students.age is 'In years. Null: not known.';

-- migrate:down
alter table students drop column age;
