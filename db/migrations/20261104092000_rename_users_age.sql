-- The fourth tutorial's second step, and the one that an automatic draft turns into a drop and an
-- add, which loses the data. Safe in place only because no released code reads the column yet:
-- a column in use is renamed by expand and contract, see db/README.md.
-- lock: access exclusive on users, for a moment
-- down loses nothing

-- migrate:up
-- safety: allow renaming-column: nothing reads or writes it yet
alter table users rename column age to years_old;

comment on column users.years_old is 'In years. Null: not known.';

-- migrate:down
comment on column users.years_old is null;

alter table users rename column years_old to age;
