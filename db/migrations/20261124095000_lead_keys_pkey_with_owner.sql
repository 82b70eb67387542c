-- As for todos: a key names its owner, and is found by it. Code from before that looks for it by its
-- id alone reads all keys; no release did.
-- lock: access exclusive on keys, for a moment
-- down loses nothing

-- migrate:up
alter table keys drop constraint keys_pkey;

alter table keys add constraint keys_pkey primary key using index keys_owner_id_id_key;

-- migrate:down
alter table keys drop constraint keys_pkey;

create unique index keys_owner_id_id_key on keys (owner_id, id);

alter table keys add constraint keys_pkey primary key (id);
