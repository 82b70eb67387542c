-- What changed since a client last looked.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_updated_at_idx on todos (owner_id, updated_at, id);

-- migrate:down transaction:false
drop index concurrently todos_updated_at_idx;
