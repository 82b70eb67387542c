-- The order in which changes are read.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_changed_in_idx on todos (owner_id, changed_in, id);

-- migrate:down transaction:false
drop index concurrently todos_changed_in_idx;
