-- The primary key is the same index.
-- lock: share update exclusive on keys, writes go on
-- down loses nothing

-- migrate:up transaction:false
drop index concurrently keys_owner_id_idx;

-- migrate:down transaction:false
create index concurrently keys_owner_id_idx on keys (owner_id, id);
