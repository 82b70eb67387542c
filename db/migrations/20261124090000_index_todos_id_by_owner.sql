-- The next migration's primary key: within its owner. Built beside the old one, while writes go on.
-- lock: share update exclusive on todos
-- down loses nothing

-- migrate:up transaction:false
create unique index concurrently todos_owner_id_id_key on todos (owner_id, id);

-- migrate:down transaction:false
drop index concurrently todos_owner_id_id_key;
