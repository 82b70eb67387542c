-- API keys. Only the digest of the secret is kept: whoever reads this table cannot call the API.
-- A revoked key is a deleted row, so that it fails at once.
-- lock: share row exclusive on users, for a moment
-- down loses every key: each caller needs a new one

-- migrate:up
create table keys (
  id bigint generated always as identity,
  owner_id bigint not null,
  name text not null,
  scope text not null,
  secret_hash bytea not null,
  expires_at timestamptz,
  replaced_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint keys_pkey primary key (id),
  constraint keys_owner_id_fkey foreign key (owner_id) references users (id) on delete cascade,
  constraint keys_name_check check (char_length(name) between 1 and 100),
  constraint keys_scope_check check (scope in ('read', 'write', 'admin')),
  constraint keys_secret_hash_check check (octet_length(secret_hash) = 32)
);

create index keys_owner_id_idx on keys (owner_id, id);

create trigger keys_touch before update on keys
  for each row when (old.* is distinct from new.*) execute function touch_row();

comment on table keys is 'What a caller proves who it is with.';
comment on column keys.scope is 'Each holds the ones before it: read, write, admin.';
comment on column keys.secret_hash is 'SHA-256 of the secret, which is 256 random bits and not kept.';
comment on column keys.expires_at is 'Null: never.';
comment on column keys.replaced_at is 'From when on only its successor counts. Null: it has none.';
comment on column keys.version is 'Grows by one with every change; the ETag.';

-- migrate:down
drop table keys;
