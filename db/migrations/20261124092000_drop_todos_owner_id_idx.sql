-- The primary key is the same index.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
drop index concurrently todos_owner_id_idx;

-- migrate:down transaction:false
create index concurrently todos_owner_id_idx on todos (owner_id, id);
