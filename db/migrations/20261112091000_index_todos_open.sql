-- The page that people open most: what is still to do. Partial, so it stays as small as that.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_open_idx on todos (owner_id, id) where not completed;

-- migrate:down transaction:false
drop index concurrently todos_open_idx;
