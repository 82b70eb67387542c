-- The answers of POST requests that carried an Idempotency-Key, for 24 hours: the request, sent
-- again, gets the same answer and creates nothing. The index on expires_at lets each POST take a
-- few old ones along without a scan.
-- lock: share row exclusive on users, for a moment
-- down loses the remembered answers: a request that is sent again creates a second row

-- migrate:up
create table idempotency_keys (
  owner_id bigint not null,
  route text not null,
  key text not null,
  request_hash bytea not null,
  row_id bigint not null,
  row_version bigint not null,
  body text not null,
  expires_at timestamptz not null default now() + interval '24 hours',
  constraint idempotency_keys_pkey primary key (owner_id, route, key),
  constraint idempotency_keys_owner_id_fkey foreign key (owner_id) references users (id)
  on delete cascade,
  constraint idempotency_keys_request_hash_check check (octet_length(request_hash) = 32)
);

create index idempotency_keys_expires_at_idx on idempotency_keys (expires_at);

comment on table idempotency_keys is 'Remembered answers of POST requests.';
comment on column idempotency_keys.route is 'The operation, such as createTodo.';
comment on column idempotency_keys.request_hash is 'SHA-256 of the body that was sent.';
comment on column idempotency_keys.body is 'The answer''s JSON, without a key''s secret.';

-- migrate:down
drop table idempotency_keys;
