-- A roster is read by owner in the order of ids, and todos refer to a student together with its
-- owner, so this is their key.
-- lock: share update exclusive on students, writes go on
-- down loses nothing

-- migrate:up transaction:false
create unique index concurrently students_owner_id_id_key on students (owner_id, id);

-- migrate:down transaction:false
drop index concurrently students_owner_id_id_key;
