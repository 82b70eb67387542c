-- The fourth tutorial's first step.
-- lock: access exclusive on users, for a moment
-- down loses every user's age

-- migrate:up
alter table users add column age integer;

-- migrate:down
alter table users drop column age;
