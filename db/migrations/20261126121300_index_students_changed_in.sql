-- The order in which changes are read.
-- lock: share update exclusive on students, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently students_changed_in_idx on students (owner_id, changed_in, id);

-- migrate:down transaction:false
drop index concurrently students_changed_in_idx;
