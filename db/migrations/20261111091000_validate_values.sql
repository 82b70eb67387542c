-- Reads every row once while writes go on. Fails, naming the constraint, where an old row breaks a
-- limit: mend the row and run it again.
-- lock: share update exclusive on the three tables
-- down loses nothing

-- migrate:up
alter table todos validate constraint todos_description_check;
alter table todos validate constraint todos_due_date_check;
alter table students validate constraint students_first_name_check;
alter table students validate constraint students_last_name_check;
alter table students validate constraint students_age_check;
alter table users validate constraint users_name_check;
alter table users validate constraint users_email_check;
alter table users validate constraint users_years_old_check;

-- migrate:down
alter table users
  drop constraint users_years_old_check,
  drop constraint users_email_check,
  drop constraint users_name_check;

alter table users
  add constraint users_name_check check (char_length(name) between 1 and 100) not valid,
  add constraint users_email_check check (char_length(email) between 1 and 120) not valid,
  add constraint users_years_old_check check (years_old between 0 and 150) not valid;

alter table students
  drop constraint students_age_check,
  drop constraint students_last_name_check,
  drop constraint students_first_name_check;

alter table students
  add constraint students_first_name_check
  check (char_length(first_name) between 1 and 100) not valid,
  add constraint students_last_name_check
  check (char_length(last_name) between 1 and 100) not valid,
  add constraint students_age_check check (age between 0 and 150) not valid;

alter table todos
  drop constraint todos_due_date_check,
  drop constraint todos_description_check;

alter table todos
  add constraint todos_description_check
  check (char_length(description) between 1 and 10000) not valid,
  add constraint todos_due_date_check
  check (due_date >= '0001-01-01 00:00:00+00' and due_date < '9999-01-01 00:00:00+00') not valid;
