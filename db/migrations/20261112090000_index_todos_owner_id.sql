-- Every page of todos starts with its owner and goes on in the order of ids.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_owner_id_idx on todos (owner_id, id);

-- migrate:down transaction:false
drop index concurrently todos_owner_id_idx;
