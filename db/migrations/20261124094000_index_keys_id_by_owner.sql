-- The next migration's primary key, built beside the old one, while writes go on.
-- lock: share update exclusive on keys
-- down loses nothing

-- migrate:up transaction:false
create unique index concurrently keys_owner_id_id_key on keys (owner_id, id);

-- migrate:down transaction:false
drop index concurrently keys_owner_id_id_key;
