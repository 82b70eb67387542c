-- The roster in the order of its names.
-- lock: share update exclusive on students, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently students_last_name_idx on students (owner_id, last_name, id);

-- migrate:down transaction:false
drop index concurrently students_last_name_idx;
