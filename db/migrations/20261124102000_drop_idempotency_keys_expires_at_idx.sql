-- Nothing reads the answers of all users any more.
-- lock: share update exclusive on idempotency_keys, writes go on
-- down loses nothing

-- migrate:up transaction:false
drop index concurrently idempotency_keys_expires_at_idx;

-- migrate:down transaction:false
create index concurrently idempotency_keys_expires_at_idx on idempotency_keys (expires_at);
