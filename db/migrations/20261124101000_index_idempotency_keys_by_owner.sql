-- A POST takes a few expired answers along, those of its own user: it touches nobody else's rows.
-- lock: share update exclusive on idempotency_keys, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently idempotency_keys_owner_id_idx on idempotency_keys (owner_id, expires_at);

-- migrate:down transaction:false
drop index concurrently idempotency_keys_owner_id_idx;
