-- Every statement of db/*.ts as PostgreSQL receives it, under the name of its function; of a list's
-- filters and sorts each alone. Written by `deno task statements`, never by hand.
-- To run one in psql: paste it without its semicolon, then `\bind 'value of $1' 'value of $2' ... \g`.

-- db/changes.ts: listChanges

-- GET /api/changes
--   $1, $4, $7, $10, $17, $18, $21: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $6, $8, $9, $11, $13, $19: before all
--   $12: no kind
--   $14, $15, $16, $22: limit
--   $20: null
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
changes as (
  (
    select t.changed_in, 'student' as kind, t.id, false as deleted
    from students t
    where t.owner_id = $4 and (select allowed from caller) and (t.changed_in, t.id) > ($5::xid8, $6::bigint)
      and t.changed_in < pg_snapshot_xmin(pg_current_snapshot())
    order by t.changed_in, t.id
    limit 101
  )
  union all (
    select t.changed_in, 'todo', t.id, false
    from todos t
    where t.owner_id = $7 and (select allowed from caller) and (t.changed_in, t.id) > ($8::xid8, $9::bigint)
      and t.changed_in < pg_snapshot_xmin(pg_current_snapshot())
    order by t.changed_in, t.id
    limit 101
  )
  union all (
    select t.changed_in, t.kind, t.row_id, true
    from deletions t
    where t.owner_id = $10 and (select allowed from caller)
      and (t.changed_in, t.kind, t.row_id) > ($11::xid8, $12, $13::bigint)
      and t.changed_in < pg_snapshot_xmin(pg_current_snapshot())
    order by t.changed_in, t.kind, t.row_id
    limit 101
  )
),
numbered as (
  select ordered.*, row_number() over () as n
  from (
    select * from changes
    order by changed_in, kind, id
    limit $14 + 1
  ) ordered
),
page as (
  select
    '[' || coalesce(string_agg(row_to_json(shown)::text, ',' order by n) filter (where n <= $15), '') || ']' as data,
    count(*) > $16 as more
  from numbered
  cross join lateral (
    select
      kind, id, deleted,
      case
        when deleted then null
        when kind = 'student' then (
          select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text
          from students t
          where t.owner_id = $17 and (select allowed from caller) and t.id = numbered.id
        )
        else (
          select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text
          from todos t
          where t.owner_id = $18 and (select allowed from caller) and t.id = numbered.id
        )
      end::json as "row"
  ) shown
)
select
  caller.id as caller_id, caller.allowed, page.data, page.more,
  $19::xid8 >= pg_snapshot_xmin(pg_current_snapshot())
    or coalesce($20::timestamptz < now() - interval '30 days', false) as expired,
  history_of($21) as history,
  numbered.changed_in::text as last_transaction, numbered.kind as last_kind,
  numbered.id as last_id, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as read_at
from caller
cross join page
left join numbered on numbered.n = (select least(count(*), $22) from numbered);

-- db/health.ts: listAppliedVersions

-- GET /api/health/ready
select version
from schema_migrations
order by version;

-- db/keys.ts: proveCaller

-- proveCaller
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
)
select caller.id as caller_id, caller.allowed
from caller;

-- db/keys.ts: listKeys

-- GET /api/keys
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $6: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.scope,
    to_char(least(t.expires_at, t.replaced_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as expires_at,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from keys t
  where t.owner_id = $4 and (select allowed from caller) and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $5::bigint as most
    from rows
    limit $6 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/keys, sort=id, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: the id of the last row before
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.scope,
    to_char(least(t.expires_at, t.replaced_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as expires_at,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from keys t
  where t.owner_id = $4 and (select allowed from caller) and t.id > $5
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/keys, sort=-id, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: the id of the last row before
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.scope,
    to_char(least(t.expires_at, t.replaced_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as expires_at,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from keys t
  where t.owner_id = $4 and (select allowed from caller) and t.id < $5
  order by t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- db/keys.ts: createKey

-- POST /api/keys
--   $1, $4, $6: the caller's id
--   $2, $5: the id of the caller's key
--   $3: SHA-256 of its secret
--   $7: name
--   $8: scope
--   $9: SHA-256 of the new secret
--   $10: expires_at
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (select where false),
maker as materialized (
  select least(m.expires_at, m.replaced_at) as ends_at
  from keys m
  where m.owner_id = $4 and (select allowed from caller) and m.id = $5
),
created as (
  insert into keys as t (owner_id, name, scope, secret_hash, expires_at)
  select
    $6::bigint, $7, $8, decode($9, 'hex'),
    least($10::timestamptz, (select ends_at from maker))
  from caller
  where caller.allowed and true
  returning t.id, (select row_to_json(item) from (select
    t.id, t.name, t.scope,
    to_char(least(t.expires_at, t.replaced_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as expires_at,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
select
  caller.id as caller_id, caller.allowed,
  created.id, created.body, created.version,
  false as replayed, false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true;

-- POST /api/keys, idempotency-key
--   $1, $5, $8, $11, $12, $13, $15, $20: the caller's id
--   $2, $14: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $23: SHA-256 of the body
--   $6, $9, $21: the operation
--   $7, $10, $22: idempotency-key
--   $16: name
--   $17: scope
--   $18: SHA-256 of the new secret
--   $19: expires_at
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (
  select r.row_id, r.row_version, r.body, r.request_hash = decode($4, 'hex') as same
  from idempotency_keys r
  where r.owner_id = $5 and (select allowed from caller)
    and r.route = $6 and r.key = $7 and r.expires_at > now()
),
expired as (
  delete from idempotency_keys r
  using (
    select own.route, own.key
    from idempotency_keys own
    where own.owner_id = $8 and (select allowed from caller)
      and own.route = $9 and own.key = $10 and own.expires_at <= now()
    union all
    select oldest.route, oldest.key
    from (
      select o.route, o.key
      from idempotency_keys o
      where o.owner_id = $11 and (select allowed from caller) and o.expires_at <= now()
      order by o.expires_at
      limit 2
      for update skip locked
    ) oldest
  ) old
  where r.owner_id = $12 and (select allowed from caller) and r.route = old.route and r.key = old.key
  returning 1
),
maker as materialized (
  select least(m.expires_at, m.replaced_at) as ends_at
  from keys m
  where m.owner_id = $13 and (select allowed from caller) and m.id = $14
),
created as (
  insert into keys as t (owner_id, name, scope, secret_hash, expires_at)
  select
    $15::bigint, $16, $17, decode($18, 'hex'),
    least($19::timestamptz, (select ends_at from maker))
  from caller
  where caller.allowed and not exists (select from remembered)
  returning t.id, (select row_to_json(item) from (select
    t.id, t.name, t.scope,
    to_char(least(t.expires_at, t.replaced_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as expires_at,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
,
kept as (
  insert into idempotency_keys
    (owner_id, route, key, request_hash, row_id, row_version, body)
  select
    $20::bigint, $21, $22, decode($23, 'hex'),
    created.id, created.version, created.body
  from caller, created
  -- Counting them lets the expired ones go first, whose key this one may have.
  where caller.allowed and (select count(*) from expired) >= 0
)
select
  caller.id as caller_id, caller.allowed,
  coalesce(created.id, remembered.row_id) as id,
  coalesce(created.body, remembered.body) as body,
  coalesce(created.version, remembered.row_version) as version,
  remembered.same is not null as replayed, remembered.same is false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true left join remembered on true;

-- db/keys.ts: rotateKey

-- POST /api/keys/{id}/rotate
--   $1, $4, $7, $9: the caller's id
--   $2, $5: the id of the caller's key
--   $3: SHA-256 of its secret
--   $6: overlap_seconds
--   $8: the row's id
--   $10: SHA-256 of the new secret
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (select where false),
maker as materialized (
  select least(m.expires_at, m.replaced_at) as ends_at
  from keys m
  where m.owner_id = $4 and (select allowed from caller) and m.id = $5
),
old as (
  update keys t
  set replaced_at = now() + make_interval(secs => $6)
  where t.owner_id = $7 and (select allowed from caller) and t.id = $8 and (t.scope <> 'admin' or (select admin from caller))
    and t.replaced_at is null and true
  returning t.*
),
created as (
  insert into keys as t (owner_id, name, scope, secret_hash, expires_at)
  select
    $9::bigint, old.name, old.scope, decode($10, 'hex'),
    least(
      (now() at time zone 'UTC' + (old.expires_at - old.created_at)) at time zone 'UTC',
      (select ends_at from maker)
    )
  from caller, old
  where caller.allowed
  returning t.id, (select row_to_json(item) from (select
    t.id, t.name, t.scope,
    to_char(least(t.expires_at, t.replaced_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as expires_at,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
select
  caller.id as caller_id, caller.allowed,
  created.id, created.body, created.version,
  false as replayed, false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true;

-- POST /api/keys/{id}/rotate, idempotency-key
--   $1, $5, $8, $11, $12, $13, $16, $18, $20: the caller's id
--   $2, $14: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $23: SHA-256 of the body
--   $6, $9, $21: the operation and the row's id
--   $7, $10, $22: idempotency-key
--   $15: overlap_seconds
--   $17: the row's id
--   $19: SHA-256 of the new secret
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (
  select r.row_id, r.row_version, r.body, r.request_hash = decode($4, 'hex') as same
  from idempotency_keys r
  where r.owner_id = $5 and (select allowed from caller)
    and r.route = $6 and r.key = $7 and r.expires_at > now()
),
expired as (
  delete from idempotency_keys r
  using (
    select own.route, own.key
    from idempotency_keys own
    where own.owner_id = $8 and (select allowed from caller)
      and own.route = $9 and own.key = $10 and own.expires_at <= now()
    union all
    select oldest.route, oldest.key
    from (
      select o.route, o.key
      from idempotency_keys o
      where o.owner_id = $11 and (select allowed from caller) and o.expires_at <= now()
      order by o.expires_at
      limit 2
      for update skip locked
    ) oldest
  ) old
  where r.owner_id = $12 and (select allowed from caller) and r.route = old.route and r.key = old.key
  returning 1
),
maker as materialized (
  select least(m.expires_at, m.replaced_at) as ends_at
  from keys m
  where m.owner_id = $13 and (select allowed from caller) and m.id = $14
),
old as (
  update keys t
  set replaced_at = now() + make_interval(secs => $15)
  where t.owner_id = $16 and (select allowed from caller) and t.id = $17 and (t.scope <> 'admin' or (select admin from caller))
    and t.replaced_at is null and not exists (select from remembered)
  returning t.*
),
created as (
  insert into keys as t (owner_id, name, scope, secret_hash, expires_at)
  select
    $18::bigint, old.name, old.scope, decode($19, 'hex'),
    least(
      (now() at time zone 'UTC' + (old.expires_at - old.created_at)) at time zone 'UTC',
      (select ends_at from maker)
    )
  from caller, old
  where caller.allowed
  returning t.id, (select row_to_json(item) from (select
    t.id, t.name, t.scope,
    to_char(least(t.expires_at, t.replaced_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as expires_at,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
,
kept as (
  insert into idempotency_keys
    (owner_id, route, key, request_hash, row_id, row_version, body)
  select
    $20::bigint, $21, $22, decode($23, 'hex'),
    created.id, created.version, created.body
  from caller, created
  -- Counting them lets the expired ones go first, whose key this one may have.
  where caller.allowed and (select count(*) from expired) >= 0
)
select
  caller.id as caller_id, caller.allowed,
  coalesce(created.id, remembered.row_id) as id,
  coalesce(created.body, remembered.body) as body,
  coalesce(created.version, remembered.row_version) as version,
  remembered.same is not null as replayed, remembered.same is false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true left join remembered on true;

-- db/keys.ts: deleteKey

-- DELETE /api/keys/{id}
--   $1, $4, $6: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $7: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
deleted as (
  delete from keys t
  where t.owner_id = $4 and (select allowed from caller) and t.id = $5 and (t.scope <> 'admin' or (select admin from caller))
    and true
  returning t.version
)
select
  caller.id as caller_id, caller.allowed,
  deleted.version is not null or exists (
    select from keys t
    where t.owner_id = $6 and (select allowed from caller) and t.id = $7 and (t.scope <> 'admin' or (select admin from caller))
  ) as present,
  null as body, deleted.version, pg_current_xact_id_if_assigned()::text as written
from caller left join deleted on true;

-- DELETE /api/keys/{id}, if-match
--   $1, $4, $7: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $8: the row's id
--   $6: if-match
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
deleted as (
  delete from keys t
  where t.owner_id = $4 and (select allowed from caller) and t.id = $5 and (t.scope <> 'admin' or (select admin from caller))
    and t.version = any (string_to_array($6, ',')::bigint[])
  returning t.version
)
select
  caller.id as caller_id, caller.allowed,
  deleted.version is not null or exists (
    select from keys t
    where t.owner_id = $7 and (select allowed from caller) and t.id = $8 and (t.scope <> 'admin' or (select admin from caller))
  ) as present,
  null as body, deleted.version, pg_current_xact_id_if_assigned()::text as written
from caller left join deleted on true;

-- db/keys.ts: findAccount

-- findAccount
--   $1: email
select id
from users
where lower(email) = lower($1);

-- db/keys.ts: installKey

-- installKey
--   $1: the part before the @
--   $2, $3: email
--   $4: name
--   $5: scope
--   $6: hash
with made as (
  insert into users (name, email)
  values ($1, $2)
  on conflict (lower(email)) do nothing
  returning id
),
owner as materialized (
  select id from made
  union all
  select id from users where lower(email) = lower($3)
  limit 1
),
installed as (
  insert into keys (owner_id, name, scope, secret_hash)
  select owner.id, $4, $5, decode($6, 'hex')
  from owner
  returning owner_id, id
)
select installed.owner_id, installed.id
from installed;

-- db/student_batches.ts: createStudents

-- POST /api/students/batch
--   $1, $5: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: the items, as JSON
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (select where false),
items as materialized (
  select ordinality - 1 as n, first_name, last_name, age
  from rows from (
    json_to_recordset($4::text::json) as (
      first_name text, last_name text, age integer
    )
  ) with ordinality
),
inserted as (
  insert into students as t (owner_id, first_name, last_name, age)
  select $5::bigint, items.first_name, items.last_name, items.age
  from caller, items
  where caller.allowed and true
  order by items.n
  returning t.*
),
shown as (
  select t.id, (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    (
      select to_char(i.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from inserted i limit 1
    ) as created_at,
    (
      select to_char(i.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from inserted i limit 1
    ) as updated_at, t.version
  ) item)::text as body from inserted t
),
created as (
  select min(id) as id, '{"data":[' || string_agg(body, ',' order by id) || ']}' as body,
    1::bigint as version
  from shown
  having count(*) > 0
)
select
  caller.id as caller_id, caller.allowed,
  created.id, created.body, created.version,
  false as replayed, false as reused, pg_current_xact_id_if_assigned()::text as written, '[]' as faults
from caller left join created on true;

-- POST /api/students/batch, idempotency-key
--   $1, $5, $8, $11, $12, $14, $15: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $18: SHA-256 of the body
--   $6, $9, $16: the operation
--   $7, $10, $17: idempotency-key
--   $13: the items, as JSON
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (
  select r.row_id, r.row_version, r.body, r.request_hash = decode($4, 'hex') as same
  from idempotency_keys r
  where r.owner_id = $5 and (select allowed from caller)
    and r.route = $6 and r.key = $7 and r.expires_at > now()
),
expired as (
  delete from idempotency_keys r
  using (
    select own.route, own.key
    from idempotency_keys own
    where own.owner_id = $8 and (select allowed from caller)
      and own.route = $9 and own.key = $10 and own.expires_at <= now()
    union all
    select oldest.route, oldest.key
    from (
      select o.route, o.key
      from idempotency_keys o
      where o.owner_id = $11 and (select allowed from caller) and o.expires_at <= now()
      order by o.expires_at
      limit 2
      for update skip locked
    ) oldest
  ) old
  where r.owner_id = $12 and (select allowed from caller) and r.route = old.route and r.key = old.key
  returning 1
),
items as materialized (
  select ordinality - 1 as n, first_name, last_name, age
  from rows from (
    json_to_recordset($13::text::json) as (
      first_name text, last_name text, age integer
    )
  ) with ordinality
),
inserted as (
  insert into students as t (owner_id, first_name, last_name, age)
  select $14::bigint, items.first_name, items.last_name, items.age
  from caller, items
  where caller.allowed and not exists (select from remembered)
  order by items.n
  returning t.*
),
shown as (
  select t.id, (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    (
      select to_char(i.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from inserted i limit 1
    ) as created_at,
    (
      select to_char(i.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from inserted i limit 1
    ) as updated_at, t.version
  ) item)::text as body from inserted t
),
created as (
  select min(id) as id, '{"data":[' || string_agg(body, ',' order by id) || ']}' as body,
    1::bigint as version
  from shown
  having count(*) > 0
)
,
kept as (
  insert into idempotency_keys
    (owner_id, route, key, request_hash, row_id, row_version, body)
  select
    $15::bigint, $16, $17, decode($18, 'hex'),
    created.id, created.version, created.body
  from caller, created
  -- Counting them lets the expired ones go first, whose key this one may have.
  where caller.allowed and (select count(*) from expired) >= 0
)
select
  caller.id as caller_id, caller.allowed,
  coalesce(created.id, remembered.row_id) as id,
  coalesce(created.body, remembered.body) as body,
  coalesce(created.version, remembered.row_version) as version,
  remembered.same is not null as replayed, remembered.same is false as reused, pg_current_xact_id_if_assigned()::text as written, '[]' as faults
from caller left join created on true left join remembered on true;

-- db/student_batches.ts: updateStudents

-- PATCH /api/students/batch
--   $1, $5, $6: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: the items, as JSON
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
items as (
  select
    sent, (sent ->> 'n')::integer as n,
    (sent ->> 'id')::bigint as id, (sent ->> 'version')::bigint as version
  from jsonb_array_elements($4::text::jsonb) sent
),
faults as (
  select i.n, case when t.id is null then 'id' else 'version' end as field
  from items i
  left join students t on t.owner_id = $5 and (select allowed from caller) and t.id = i.id
  where t.id is null or t.version <> i.version
),
updated as (
  update students t
  set
    first_name = coalesce(i.sent ->> 'first_name', t.first_name),
    last_name = coalesce(i.sent ->> 'last_name', t.last_name),
    age = case when i.sent ? 'age' then (i.sent ->> 'age')::integer else t.age end
  from items i
  where t.owner_id = $6 and (select allowed from caller) and t.id = i.id
    and t.version = coalesce(i.version, t.version)
    and not exists (select from faults)
  returning i.n, t.*
),
changed as (
  select t.n, (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body from updated t
)
select
  caller.id as caller_id, caller.allowed, coalesce(
    (select json_agg(json_build_array(n, field) order by n) from faults)::text, '[]'
  ) as faults,
  case
    when not caller.allowed or exists (select from faults) then null
    when (select count(*) from changed) < (select count(*) from items) then conflict()
    else (select '{"data":[' || string_agg(body, ',' order by n) || ']}' from changed)
  end as body,
  pg_current_xact_id_if_assigned()::text as written
from caller;

-- db/student_batches.ts: deleteStudents

-- DELETE /api/students/batch
--   $1, $5, $6: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: the items, as JSON
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
items as (
  select
    sent, (sent ->> 'n')::integer as n,
    (sent ->> 'id')::bigint as id, (sent ->> 'version')::bigint as version
  from jsonb_array_elements($4::text::jsonb) sent
),
faults as (
  select i.n, case when t.id is null then 'id' else 'version' end as field
  from items i
  left join students t on t.owner_id = $5 and (select allowed from caller) and t.id = i.id
  where t.id is null or t.version <> i.version
),
changed as (
  delete from students t
  using items i
  where t.owner_id = $6 and (select allowed from caller) and t.id = i.id
    and t.version = coalesce(i.version, t.version)
    and not exists (select from faults)
  returning i.n, null as body
)
select
  caller.id as caller_id, caller.allowed, coalesce(
    (select json_agg(json_build_array(n, field) order by n) from faults)::text, '[]'
  ) as faults,
  case
    when not caller.allowed or exists (select from faults) then null
    when (select count(*) from changed) < (select count(*) from items) then conflict()
    else (select '{"data":[' || string_agg(body, ',' order by n) || ']}' from changed)
  end as body,
  pg_current_xact_id_if_assigned()::text as written
from caller;

-- db/students.ts: listStudents

-- GET /api/students
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $6: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from students t
  where t.owner_id = $4 and (select allowed from caller) and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $5::bigint as most
    from rows
    limit $6 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students, q=sample
--   $1, $4, $5, $7: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $6: q
--   $8, $9: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from (
    select t.*
    from students t
    where t.owner_id = $4 and (select allowed from caller)
      and search_terms(t.owner_id, plain_words(t.first_name || ' ' || t.last_name))
        @@ (select search_query($5, $6))
    offset 0
  ) t
  where t.owner_id = $7 and (select allowed from caller) and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $8::bigint as most
    from rows
    limit $9 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students, sort=id, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: the id of the last row before
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from students t
  where t.owner_id = $4 and (select allowed from caller) and t.id > $5
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students, sort=-id, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: the id of the last row before
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from students t
  where t.owner_id = $4 and (select allowed from caller) and t.id < $5
  order by t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students, sort=last_name, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: its value of the sort
--   $6: the id of the last row before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (t.last_name)::text as sort_value
  from students t
  where t.owner_id = $4 and (select allowed from caller) and (t.last_name, t.id) > ($5::text::text, $6::bigint)
  order by t.last_name, t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students, sort=-last_name, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: its value of the sort
--   $6: the id of the last row before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (t.last_name)::text as sort_value
  from students t
  where t.owner_id = $4 and (select allowed from caller) and (t.last_name, t.id) < ($5::text::text, $6::bigint)
  order by t.last_name desc, t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- db/students.ts: getStudent

-- GET /api/students/{id}
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
found as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
  from students t
  where t.owner_id = $4 and (select allowed from caller) and t.id = $5
)
select caller.id as caller_id, caller.allowed, found.body, found.version
from caller left join found on true;

-- db/students.ts: createStudent

-- POST /api/students
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: first_name
--   $6: last_name
--   $7: age
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (select where false),
created as (
  insert into students as t (owner_id, first_name, last_name, age)
  select
    $4::bigint, $5, $6, $7::integer
  from caller
  where caller.allowed and true
  returning t.id, (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
select
  caller.id as caller_id, caller.allowed,
  created.id, created.body, created.version,
  false as replayed, false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true;

-- POST /api/students, idempotency-key
--   $1, $5, $8, $11, $12, $13, $17: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $20: SHA-256 of the body
--   $6, $9, $18: the operation
--   $7, $10, $19: idempotency-key
--   $14: first_name
--   $15: last_name
--   $16: age
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (
  select r.row_id, r.row_version, r.body, r.request_hash = decode($4, 'hex') as same
  from idempotency_keys r
  where r.owner_id = $5 and (select allowed from caller)
    and r.route = $6 and r.key = $7 and r.expires_at > now()
),
expired as (
  delete from idempotency_keys r
  using (
    select own.route, own.key
    from idempotency_keys own
    where own.owner_id = $8 and (select allowed from caller)
      and own.route = $9 and own.key = $10 and own.expires_at <= now()
    union all
    select oldest.route, oldest.key
    from (
      select o.route, o.key
      from idempotency_keys o
      where o.owner_id = $11 and (select allowed from caller) and o.expires_at <= now()
      order by o.expires_at
      limit 2
      for update skip locked
    ) oldest
  ) old
  where r.owner_id = $12 and (select allowed from caller) and r.route = old.route and r.key = old.key
  returning 1
),
created as (
  insert into students as t (owner_id, first_name, last_name, age)
  select
    $13::bigint, $14, $15, $16::integer
  from caller
  where caller.allowed and not exists (select from remembered)
  returning t.id, (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
,
kept as (
  insert into idempotency_keys
    (owner_id, route, key, request_hash, row_id, row_version, body)
  select
    $17::bigint, $18, $19, decode($20, 'hex'),
    created.id, created.version, created.body
  from caller, created
  -- Counting them lets the expired ones go first, whose key this one may have.
  where caller.allowed and (select count(*) from expired) >= 0
)
select
  caller.id as caller_id, caller.allowed,
  coalesce(created.id, remembered.row_id) as id,
  coalesce(created.body, remembered.body) as body,
  coalesce(created.version, remembered.row_version) as version,
  remembered.same is not null as replayed, remembered.same is false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true left join remembered on true;

-- db/students.ts: updateStudent

-- PATCH /api/students/{id}
--   $1, $7, $9: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: first_name
--   $5: last_name
--   $6: age
--   $8, $10: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
changed as (
  update students t
  set first_name = $4, last_name = $5, age = $6
  where t.owner_id = $7 and (select allowed from caller) and t.id = $8 and true
  returning t.*
),
shown as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version from changed t
)
select
  caller.id as caller_id, caller.allowed,
  shown.version is not null or exists (
    select from students t where t.owner_id = $9 and (select allowed from caller) and t.id = $10
  ) as present,
  shown.body, shown.version, pg_current_xact_id_if_assigned()::text as written
from caller left join shown on true;

-- PATCH /api/students/{id}, if-match
--   $1, $7, $10: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: first_name
--   $5: last_name
--   $6: age
--   $8, $11: the row's id
--   $9: if-match
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
changed as (
  update students t
  set first_name = $4, last_name = $5, age = $6
  where t.owner_id = $7 and (select allowed from caller) and t.id = $8 and t.version = any (string_to_array($9, ',')::bigint[])
  returning t.*
),
shown as (
  select (select row_to_json(item) from (select
    t.id, t.first_name, t.last_name, t.age,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version from changed t
)
select
  caller.id as caller_id, caller.allowed,
  shown.version is not null or exists (
    select from students t where t.owner_id = $10 and (select allowed from caller) and t.id = $11
  ) as present,
  shown.body, shown.version, pg_current_xact_id_if_assigned()::text as written
from caller left join shown on true;

-- db/students.ts: deleteStudent

-- DELETE /api/students/{id}
--   $1, $4, $6: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $7: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
deleted as (
  delete from students t
  where t.owner_id = $4 and (select allowed from caller) and t.id = $5 and true
  returning t.version
)
select
  caller.id as caller_id, caller.allowed,
  deleted.version is not null or exists (
    select from students t where t.owner_id = $6 and (select allowed from caller) and t.id = $7
  ) as present,
  null as body, deleted.version, pg_current_xact_id_if_assigned()::text as written
from caller left join deleted on true;

-- DELETE /api/students/{id}, if-match
--   $1, $4, $7: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $8: the row's id
--   $6: if-match
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
deleted as (
  delete from students t
  where t.owner_id = $4 and (select allowed from caller) and t.id = $5 and t.version = any (string_to_array($6, ',')::bigint[])
  returning t.version
)
select
  caller.id as caller_id, caller.allowed,
  deleted.version is not null or exists (
    select from students t where t.owner_id = $7 and (select allowed from caller) and t.id = $8
  ) as present,
  null as body, deleted.version, pg_current_xact_id_if_assigned()::text as written
from caller left join deleted on true;

-- db/todo_batches.ts: createTodos

-- POST /api/todos/batch
--   $1, $5, $6: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: the items, as JSON
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (select where false),
items as materialized (
  select ordinality - 1 as n, description, completed, due_date, student_id
  from rows from (
    json_to_recordset($4::text::json) as (
      description text, completed boolean, due_date timestamptz, student_id bigint
    )
  ) with ordinality
),
faults as (
  select i.n, 'student_id' as field
  from items i
  where i.student_id is not null and not exists (
    select from students s
    where s.owner_id = $5 and (select allowed from caller) and s.id = i.student_id
  )
),
inserted as (
  insert into todos as t (owner_id, description, completed, due_date, student_id)
  select $6::bigint, items.description, items.completed, items.due_date, items.student_id
  from caller, items
  where caller.allowed
    and true and not exists (select from faults)
  order by items.n
  returning t.*
),
shown as (
  select t.id, (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    (
      select to_char(i.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from inserted i limit 1
    ) as created_at,
    (
      select to_char(i.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from inserted i limit 1
    ) as updated_at, t.version
  ) item)::text as body from inserted t
),
created as (
  select min(id) as id, '{"data":[' || string_agg(body, ',' order by id) || ']}' as body,
    1::bigint as version
  from shown
  having count(*) > 0
)
select
  caller.id as caller_id, caller.allowed,
  created.id, created.body, created.version,
  false as replayed, false as reused, pg_current_xact_id_if_assigned()::text as written, coalesce(
    (select json_agg(json_build_array(n, field) order by n) from faults)::text, '[]'
  ) as faults
from caller left join created on true;

-- POST /api/todos/batch, idempotency-key
--   $1, $5, $8, $11, $12, $14, $15, $16: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $19: SHA-256 of the body
--   $6, $9, $17: the operation
--   $7, $10, $18: idempotency-key
--   $13: the items, as JSON
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (
  select r.row_id, r.row_version, r.body, r.request_hash = decode($4, 'hex') as same
  from idempotency_keys r
  where r.owner_id = $5 and (select allowed from caller)
    and r.route = $6 and r.key = $7 and r.expires_at > now()
),
expired as (
  delete from idempotency_keys r
  using (
    select own.route, own.key
    from idempotency_keys own
    where own.owner_id = $8 and (select allowed from caller)
      and own.route = $9 and own.key = $10 and own.expires_at <= now()
    union all
    select oldest.route, oldest.key
    from (
      select o.route, o.key
      from idempotency_keys o
      where o.owner_id = $11 and (select allowed from caller) and o.expires_at <= now()
      order by o.expires_at
      limit 2
      for update skip locked
    ) oldest
  ) old
  where r.owner_id = $12 and (select allowed from caller) and r.route = old.route and r.key = old.key
  returning 1
),
items as materialized (
  select ordinality - 1 as n, description, completed, due_date, student_id
  from rows from (
    json_to_recordset($13::text::json) as (
      description text, completed boolean, due_date timestamptz, student_id bigint
    )
  ) with ordinality
),
faults as (
  select i.n, 'student_id' as field
  from items i
  where i.student_id is not null and not exists (
    select from students s
    where s.owner_id = $14 and (select allowed from caller) and s.id = i.student_id
  )
),
inserted as (
  insert into todos as t (owner_id, description, completed, due_date, student_id)
  select $15::bigint, items.description, items.completed, items.due_date, items.student_id
  from caller, items
  where caller.allowed
    and not exists (select from remembered) and not exists (select from faults)
  order by items.n
  returning t.*
),
shown as (
  select t.id, (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    (
      select to_char(i.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from inserted i limit 1
    ) as created_at,
    (
      select to_char(i.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from inserted i limit 1
    ) as updated_at, t.version
  ) item)::text as body from inserted t
),
created as (
  select min(id) as id, '{"data":[' || string_agg(body, ',' order by id) || ']}' as body,
    1::bigint as version
  from shown
  having count(*) > 0
)
,
kept as (
  insert into idempotency_keys
    (owner_id, route, key, request_hash, row_id, row_version, body)
  select
    $16::bigint, $17, $18, decode($19, 'hex'),
    created.id, created.version, created.body
  from caller, created
  -- Counting them lets the expired ones go first, whose key this one may have.
  where caller.allowed and (select count(*) from expired) >= 0
)
select
  caller.id as caller_id, caller.allowed,
  coalesce(created.id, remembered.row_id) as id,
  coalesce(created.body, remembered.body) as body,
  coalesce(created.version, remembered.row_version) as version,
  remembered.same is not null as replayed, remembered.same is false as reused, pg_current_xact_id_if_assigned()::text as written, coalesce(
    (select json_agg(json_build_array(n, field) order by n) from faults)::text, '[]'
  ) as faults
from caller left join created on true left join remembered on true;

-- db/todo_batches.ts: updateTodos

-- PATCH /api/todos/batch
--   $1, $5, $6, $7: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: the items, as JSON
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
items as (
  select
    sent, (sent ->> 'n')::integer as n,
    (sent ->> 'id')::bigint as id, (sent ->> 'version')::bigint as version, (sent ->> 'due_date')::timestamptz as due_date
  from jsonb_array_elements($4::text::jsonb) sent
),
faults as (
  select
    i.n,
    case
      when t.id is null then 'id'
      when t.version <> i.version then 'version'
      else 'student_id'
    end as field
  from items i
  left join todos t on t.owner_id = $5 and (select allowed from caller) and t.id = i.id
  left join students s on s.owner_id = $6 and (select allowed from caller) and s.id = (i.sent ->> 'student_id')::bigint
  where t.id is null or t.version <> i.version
    or (i.sent ->> 'student_id' is not null and s.id is null)
),
updated as (
  update todos t
  set
    description = coalesce(i.sent ->> 'description', t.description),
    completed = coalesce((i.sent ->> 'completed')::boolean, t.completed),
    due_date = case when i.sent ? 'due_date' then i.due_date else t.due_date end,
    student_id = case
      when i.sent ? 'student_id' then (i.sent ->> 'student_id')::bigint else t.student_id
    end
  from items i
  where t.owner_id = $7 and (select allowed from caller) and t.id = i.id
    and t.version = coalesce(i.version, t.version)
    and not exists (select from faults)
  returning i.n, t.*
),
changed as (
  select t.n, (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body from updated t
)
select
  caller.id as caller_id, caller.allowed, coalesce(
    (select json_agg(json_build_array(n, field) order by n) from faults)::text, '[]'
  ) as faults,
  case
    when not caller.allowed or exists (select from faults) then null
    when (select count(*) from changed) < (select count(*) from items) then conflict()
    else (select '{"data":[' || string_agg(body, ',' order by n) || ']}' from changed)
  end as body,
  pg_current_xact_id_if_assigned()::text as written
from caller;

-- db/todo_batches.ts: deleteTodos

-- DELETE /api/todos/batch
--   $1, $5, $6: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: the items, as JSON
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
items as (
  select
    sent, (sent ->> 'n')::integer as n,
    (sent ->> 'id')::bigint as id, (sent ->> 'version')::bigint as version
  from jsonb_array_elements($4::text::jsonb) sent
),
faults as (
  select i.n, case when t.id is null then 'id' else 'version' end as field
  from items i
  left join todos t on t.owner_id = $5 and (select allowed from caller) and t.id = i.id
  where t.id is null or t.version <> i.version
),
changed as (
  delete from todos t
  using items i
  where t.owner_id = $6 and (select allowed from caller) and t.id = i.id
    and t.version = coalesce(i.version, t.version)
    and not exists (select from faults)
  returning i.n, null as body
)
select
  caller.id as caller_id, caller.allowed, coalesce(
    (select json_agg(json_build_array(n, field) order by n) from faults)::text, '[]'
  ) as faults,
  case
    when not caller.allowed or exists (select from faults) then null
    when (select count(*) from changed) < (select count(*) from items) then conflict()
    else (select '{"data":[' || string_agg(body, ',' order by n) || ']}' from changed)
  end as body,
  pg_current_xact_id_if_assigned()::text as written
from caller;

-- db/todos.ts: listTodos

-- GET /api/todos
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $6: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $5::bigint as most
    from rows
    limit $6 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, completed=true
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $6: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and t.completed
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $5::bigint as most
    from rows
    limit $6 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, completed=false
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $6: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and not t.completed
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $5::bigint as most
    from rows
    limit $6 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, due_before=2030-01-31T09:00:00Z
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: due_before
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and t.due_date is not null and coalesce(t.due_date, 'infinity') < $5
    and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, due_after=2030-01-31T09:00:00Z
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: due_after
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and t.due_date is not null and coalesce(t.due_date, 'infinity') > $5
    and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, due=none
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $6: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and t.due_date is null and coalesce(t.due_date, 'infinity') = 'infinity'
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $5::bigint as most
    from rows
    limit $6 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, updated_since=2030-01-31T09:00:00Z
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: updated_since
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and t.updated_at >= $5
    and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, q=sample
--   $1, $4, $5, $7: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $6: q
--   $8, $9: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from (
    select t.*
    from todos t
    where t.owner_id = $4 and (select allowed from caller)
      and search_terms(t.owner_id, plain_words(t.description))
        @@ (select search_query($5, $6))
    offset 0
  ) t
  where t.owner_id = $7 and (select allowed from caller)
    and true
    and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $8::bigint as most
    from rows
    limit $9 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, include=student
--   $1, $4, $5: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version, (
      select row_to_json(item)
      from (
        select
          s.id, s.first_name, s.last_name, s.age, to_char(s.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
          to_char(s.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, s.version
        from students s
        where s.owner_id = $4 and (select allowed from caller) and s.id = t.student_id
      ) item
    ) as student
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $5 and (select allowed from caller)
    and true
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, student_id=3
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: student_id
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and t.student_id = $5
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, sort=id, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: the id of the last row before
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and t.id > $5
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, sort=-id, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: the id of the last row before
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and t.id < $5
  order by t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, sort=due_date, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: its value of the sort
--   $6: the id of the last row before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (coalesce(t.due_date, 'infinity'))::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and (coalesce(t.due_date, 'infinity'), t.id) > ($5::text::timestamptz, $6::bigint)
  order by coalesce(t.due_date, 'infinity'), t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, sort=-due_date, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: its value of the sort
--   $6: the id of the last row before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (coalesce(t.due_date, '-infinity'))::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and (coalesce(t.due_date, '-infinity'), t.id) < ($5::text::timestamptz, $6::bigint)
  order by coalesce(t.due_date, '-infinity') desc, t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, sort=updated_at, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: its value of the sort
--   $6: the id of the last row before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (t.updated_at)::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and (t.updated_at, t.id) > ($5::text::timestamptz, $6::bigint)
  order by t.updated_at, t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/todos, sort=-updated_at, cursor
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: its value of the sort
--   $6: the id of the last row before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (t.updated_at)::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and true
    and (t.updated_at, t.id) < ($5::text::timestamptz, $6::bigint)
  order by t.updated_at desc, t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- db/todos.ts: listStudentTodos

-- GET /api/students/{id}/todos
--   $1, $4, $8: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $9: the row's id
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $8 and (select allowed from caller) and s.id = $9
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, completed=true
--   $1, $4, $8: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $9: the row's id
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and t.completed
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $8 and (select allowed from caller) and s.id = $9
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, completed=false
--   $1, $4, $8: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $9: the row's id
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and not t.completed
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $8 and (select allowed from caller) and s.id = $9
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, due_before=2030-01-31T09:00:00Z
--   $1, $4, $9: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $10: the row's id
--   $6: due_before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and t.due_date is not null and coalesce(t.due_date, 'infinity') < $6
    and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $9 and (select allowed from caller) and s.id = $10
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, due_after=2030-01-31T09:00:00Z
--   $1, $4, $9: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $10: the row's id
--   $6: due_after
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and t.due_date is not null and coalesce(t.due_date, 'infinity') > $6
    and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $9 and (select allowed from caller) and s.id = $10
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, due=none
--   $1, $4, $8: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $9: the row's id
--   $6, $7: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and t.due_date is null and coalesce(t.due_date, 'infinity') = 'infinity'
    and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $6::bigint as most
    from rows
    limit $7 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $8 and (select allowed from caller) and s.id = $9
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, updated_since=2030-01-31T09:00:00Z
--   $1, $4, $9: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $10: the row's id
--   $6: updated_since
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and t.updated_at >= $6
    and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $9 and (select allowed from caller) and s.id = $10
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, q=sample
--   $1, $4, $5, $7, $11: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $6: q
--   $8, $12: the row's id
--   $9, $10: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from (
    select t.*
    from todos t
    where t.owner_id = $4 and (select allowed from caller)
      and search_terms(t.owner_id, plain_words(t.description))
        @@ (select search_query($5, $6))
    offset 0
  ) t
  where t.owner_id = $7 and (select allowed from caller)
    and t.student_id = $8
    and true
    and true
  order by t.id
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $9::bigint as most
    from rows
    limit $10 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $11 and (select allowed from caller) and s.id = $12
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, sort=id, cursor
--   $1, $4, $9: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $10: the row's id
--   $6: the id of the last row before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and t.id > $6
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $9 and (select allowed from caller) and s.id = $10
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, sort=-id, cursor
--   $1, $4, $9: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $10: the row's id
--   $6: the id of the last row before
--   $7, $8: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and t.id < $6
  order by t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $7::bigint as most
    from rows
    limit $8 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $9 and (select allowed from caller) and s.id = $10
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, sort=due_date, cursor
--   $1, $4, $10: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $11: the row's id
--   $6: its value of the sort
--   $7: the id of the last row before
--   $8, $9: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (coalesce(t.due_date, 'infinity'))::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and (coalesce(t.due_date, 'infinity'), t.id) > ($6::text::timestamptz, $7::bigint)
  order by coalesce(t.due_date, 'infinity'), t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $8::bigint as most
    from rows
    limit $9 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $10 and (select allowed from caller) and s.id = $11
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, sort=-due_date, cursor
--   $1, $4, $10: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $11: the row's id
--   $6: its value of the sort
--   $7: the id of the last row before
--   $8, $9: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (coalesce(t.due_date, '-infinity'))::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and (coalesce(t.due_date, '-infinity'), t.id) < ($6::text::timestamptz, $7::bigint)
  order by coalesce(t.due_date, '-infinity') desc, t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $8::bigint as most
    from rows
    limit $9 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $10 and (select allowed from caller) and s.id = $11
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, sort=updated_at, cursor
--   $1, $4, $10: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $11: the row's id
--   $6: its value of the sort
--   $7: the id of the last row before
--   $8, $9: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (t.updated_at)::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and (t.updated_at, t.id) > ($6::text::timestamptz, $7::bigint)
  order by t.updated_at, t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $8::bigint as most
    from rows
    limit $9 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $10 and (select allowed from caller) and s.id = $11
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/students/{id}/todos, sort=-updated_at, cursor
--   $1, $4, $10: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $11: the row's id
--   $6: its value of the sort
--   $7: the id of the last row before
--   $8, $9: limit
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, (t.updated_at)::text as sort_value
  from todos t
  where t.owner_id = $4 and (select allowed from caller)
    and t.student_id = $5
    and true
    and (t.updated_at, t.id) < ($6::text::timestamptz, $7::bigint)
  order by t.updated_at desc, t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $8::bigint as most
    from rows
    limit $9 + 1
  ) numbered
)
select
  caller.id as caller_id, caller.allowed,
  exists (
    select from students s where s.owner_id = $10 and (select allowed from caller) and s.id = $11
  ) as present,
  page.data, page.last_id, page.last_value
from caller, page;

-- db/todos.ts: getTodo

-- GET /api/todos/{id}
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
found as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
  from todos t
  where t.owner_id = $4 and (select allowed from caller) and t.id = $5
)
select caller.id as caller_id, caller.allowed, found.body, found.version
from caller left join found on true;

-- db/todos.ts: createTodo

-- POST /api/todos
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5: description
--   $6: completed
--   $7: due_date
--   $8: student_id
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (select where false),
created as (
  insert into todos as t (owner_id, description, completed, due_date, student_id)
  select
    $4::bigint, $5, $6::boolean,
    $7::timestamptz, $8::bigint
  from caller
  where caller.allowed and true
  returning t.id, (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
select
  caller.id as caller_id, caller.allowed,
  created.id, created.body, created.version,
  false as replayed, false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true;

-- POST /api/todos, idempotency-key
--   $1, $5, $8, $11, $12, $13, $18: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $21: SHA-256 of the body
--   $6, $9, $19: the operation
--   $7, $10, $20: idempotency-key
--   $14: description
--   $15: completed
--   $16: due_date
--   $17: student_id
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (
  select r.row_id, r.row_version, r.body, r.request_hash = decode($4, 'hex') as same
  from idempotency_keys r
  where r.owner_id = $5 and (select allowed from caller)
    and r.route = $6 and r.key = $7 and r.expires_at > now()
),
expired as (
  delete from idempotency_keys r
  using (
    select own.route, own.key
    from idempotency_keys own
    where own.owner_id = $8 and (select allowed from caller)
      and own.route = $9 and own.key = $10 and own.expires_at <= now()
    union all
    select oldest.route, oldest.key
    from (
      select o.route, o.key
      from idempotency_keys o
      where o.owner_id = $11 and (select allowed from caller) and o.expires_at <= now()
      order by o.expires_at
      limit 2
      for update skip locked
    ) oldest
  ) old
  where r.owner_id = $12 and (select allowed from caller) and r.route = old.route and r.key = old.key
  returning 1
),
created as (
  insert into todos as t (owner_id, description, completed, due_date, student_id)
  select
    $13::bigint, $14, $15::boolean,
    $16::timestamptz, $17::bigint
  from caller
  where caller.allowed and not exists (select from remembered)
  returning t.id, (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
,
kept as (
  insert into idempotency_keys
    (owner_id, route, key, request_hash, row_id, row_version, body)
  select
    $18::bigint, $19, $20, decode($21, 'hex'),
    created.id, created.version, created.body
  from caller, created
  -- Counting them lets the expired ones go first, whose key this one may have.
  where caller.allowed and (select count(*) from expired) >= 0
)
select
  caller.id as caller_id, caller.allowed,
  coalesce(created.id, remembered.row_id) as id,
  coalesce(created.body, remembered.body) as body,
  coalesce(created.version, remembered.row_version) as version,
  remembered.same is not null as replayed, remembered.same is false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true left join remembered on true;

-- db/todos.ts: updateTodo

-- PATCH /api/todos/{id}
--   $1, $8, $10: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: description
--   $5: completed
--   $6: due_date
--   $7: student_id
--   $9, $11: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
changed as (
  update todos t
  set
    description = $4, completed = $5, due_date = $6,
    student_id = $7
  where t.owner_id = $8 and (select allowed from caller) and t.id = $9 and true
  returning t.*
),
shown as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version from changed t
)
select
  caller.id as caller_id, caller.allowed,
  shown.version is not null or exists (
    select from todos t where t.owner_id = $10 and (select allowed from caller) and t.id = $11
  ) as present,
  shown.body, shown.version, pg_current_xact_id_if_assigned()::text as written
from caller left join shown on true;

-- PATCH /api/todos/{id}, if-match
--   $1, $8, $11: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: description
--   $5: completed
--   $6: due_date
--   $7: student_id
--   $9, $12: the row's id
--   $10: if-match
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
changed as (
  update todos t
  set
    description = $4, completed = $5, due_date = $6,
    student_id = $7
  where t.owner_id = $8 and (select allowed from caller) and t.id = $9 and t.version = any (string_to_array($10, ',')::bigint[])
  returning t.*
),
shown as (
  select (select row_to_json(item) from (select
    t.id, t.description, t.completed,
    to_char(t.due_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_date, t.student_id,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version from changed t
)
select
  caller.id as caller_id, caller.allowed,
  shown.version is not null or exists (
    select from todos t where t.owner_id = $11 and (select allowed from caller) and t.id = $12
  ) as present,
  shown.body, shown.version, pg_current_xact_id_if_assigned()::text as written
from caller left join shown on true;

-- db/todos.ts: deleteTodo

-- DELETE /api/todos/{id}
--   $1, $4, $6: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $7: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
deleted as (
  delete from todos t
  where t.owner_id = $4 and (select allowed from caller) and t.id = $5 and true
  returning t.version
)
select
  caller.id as caller_id, caller.allowed,
  deleted.version is not null or exists (
    select from todos t where t.owner_id = $6 and (select allowed from caller) and t.id = $7
  ) as present,
  null as body, deleted.version, pg_current_xact_id_if_assigned()::text as written
from caller left join deleted on true;

-- DELETE /api/todos/{id}, if-match
--   $1, $4, $7: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $5, $8: the row's id
--   $6: if-match
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
deleted as (
  delete from todos t
  where t.owner_id = $4 and (select allowed from caller) and t.id = $5 and t.version = any (string_to_array($6, ',')::bigint[])
  returning t.version
)
select
  caller.id as caller_id, caller.allowed,
  deleted.version is not null or exists (
    select from todos t where t.owner_id = $7 and (select allowed from caller) and t.id = $8
  ) as present,
  null as body, deleted.version, pg_current_xact_id_if_assigned()::text as written
from caller left join deleted on true;

-- db/users.ts: listUsers

-- GET /api/users
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $5: limit
with caller as materialized (
  select k.owner_id as id, k.scope = 'admin' as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from users t
  where (select allowed and admin from caller) and true
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $4::bigint as most
    from rows
    limit $5 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/users, sort=id, cursor
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: the id of the last row before
--   $5, $6: limit
with caller as materialized (
  select k.owner_id as id, k.scope = 'admin' as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from users t
  where (select allowed and admin from caller) and t.id > $4
  order by t.id
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $5::bigint as most
    from rows
    limit $6 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- GET /api/users, sort=-id, cursor
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: the id of the last row before
--   $5, $6: limit
with caller as materialized (
  select k.owner_id as id, k.scope = 'admin' as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
rows as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.id, null::text as sort_value
  from users t
  where (select allowed and admin from caller) and t.id < $4
  order by t.id desc
  limit 101
),
page as (
  select
    '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
    case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
    case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
  from (
    select rows.*, row_number() over () as n, $5::bigint as most
    from rows
    limit $6 + 1
  ) numbered
)
select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
from caller, page;

-- db/users.ts: getUser

-- GET /api/users/{id}
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $5: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
found as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
  from users t
  where t.id = $4 and (select allowed and (admin or id = $5) from caller)
)
select caller.id as caller_id, caller.allowed, found.body, found.version
from caller left join found on true;

-- db/users.ts: getMe

-- GET /api/me
--   $1, $4: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
with caller as materialized (
  select k.owner_id as id, k.scope in ('read', 'write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
found as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
  from users t
  where t.id = $4 and (select allowed from caller)
)
select caller.id as caller_id, caller.allowed, found.body, found.version
from caller left join found on true;

-- db/users.ts: createUser

-- POST /api/users
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: name
--   $5: email
--   $6: years_old
with caller as materialized (
  select k.owner_id as id, k.scope = 'admin' as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (select where false),
created as (
  insert into users as t (name, email, years_old)
  select $4, $5, $6::integer
  from caller
  where caller.allowed and true
  returning t.id, (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
select
  caller.id as caller_id, caller.allowed,
  created.id, created.body, created.version,
  false as replayed, false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true;

-- POST /api/users, idempotency-key
--   $1, $5, $8, $11, $12, $16: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $19: SHA-256 of the body
--   $6, $9, $17: the operation
--   $7, $10, $18: idempotency-key
--   $13: name
--   $14: email
--   $15: years_old
with caller as materialized (
  select k.owner_id as id, k.scope = 'admin' as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
remembered as (
  select r.row_id, r.row_version, r.body, r.request_hash = decode($4, 'hex') as same
  from idempotency_keys r
  where r.owner_id = $5 and (select allowed from caller)
    and r.route = $6 and r.key = $7 and r.expires_at > now()
),
expired as (
  delete from idempotency_keys r
  using (
    select own.route, own.key
    from idempotency_keys own
    where own.owner_id = $8 and (select allowed from caller)
      and own.route = $9 and own.key = $10 and own.expires_at <= now()
    union all
    select oldest.route, oldest.key
    from (
      select o.route, o.key
      from idempotency_keys o
      where o.owner_id = $11 and (select allowed from caller) and o.expires_at <= now()
      order by o.expires_at
      limit 2
      for update skip locked
    ) oldest
  ) old
  where r.owner_id = $12 and (select allowed from caller) and r.route = old.route and r.key = old.key
  returning 1
),
created as (
  insert into users as t (name, email, years_old)
  select $13, $14, $15::integer
  from caller
  where caller.allowed and not exists (select from remembered)
  returning t.id, (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version
)
,
kept as (
  insert into idempotency_keys
    (owner_id, route, key, request_hash, row_id, row_version, body)
  select
    $16::bigint, $17, $18, decode($19, 'hex'),
    created.id, created.version, created.body
  from caller, created
  -- Counting them lets the expired ones go first, whose key this one may have.
  where caller.allowed and (select count(*) from expired) >= 0
)
select
  caller.id as caller_id, caller.allowed,
  coalesce(created.id, remembered.row_id) as id,
  coalesce(created.body, remembered.body) as body,
  coalesce(created.version, remembered.row_version) as version,
  remembered.same is not null as replayed, remembered.same is false as reused, pg_current_xact_id_if_assigned()::text as written
from caller left join created on true left join remembered on true;

-- db/users.ts: updateUser

-- PATCH /api/users/{id}
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: name
--   $5: email
--   $6: years_old
--   $7, $8, $9, $10: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
changed as (
  update users t
  set name = $4, email = $5, years_old = $6
  where t.id = $7 and (select allowed and (admin or id = $8) from caller)
    and true
  returning t.*
),
shown as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version from changed t
)
select
  caller.id as caller_id, caller.allowed,
  shown.version is not null or exists (
    select 1 from users t
    where t.id = $9 and (select allowed and (admin or id = $10) from caller)
  ) as present,
  shown.body, shown.version, pg_current_xact_id_if_assigned()::text as written
from caller left join shown on true;

-- PATCH /api/users/{id}, if-match
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4: name
--   $5: email
--   $6: years_old
--   $7, $8, $10, $11: the row's id
--   $9: if-match
with caller as materialized (
  select k.owner_id as id, k.scope in ('write', 'admin') as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
changed as (
  update users t
  set name = $4, email = $5, years_old = $6
  where t.id = $7 and (select allowed and (admin or id = $8) from caller)
    and t.version = any (string_to_array($9, ',')::bigint[])
  returning t.*
),
shown as (
  select (select row_to_json(item) from (select
    t.id, t.name, t.email, t.years_old,
    to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, t.version
  ) item)::text as body, t.version from changed t
)
select
  caller.id as caller_id, caller.allowed,
  shown.version is not null or exists (
    select 1 from users t
    where t.id = $10 and (select allowed and (admin or id = $11) from caller)
  ) as present,
  shown.body, shown.version, pg_current_xact_id_if_assigned()::text as written
from caller left join shown on true;

-- db/users.ts: deleteUser

-- DELETE /api/users/{id}
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $5, $6, $7: the row's id
with caller as materialized (
  select k.owner_id as id, k.scope = 'admin' as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
deleted as (
  delete from users t
  where t.id = $4 and (select allowed and (admin or id = $5) from caller)
    and true
  returning t.version
)
select
  caller.id as caller_id, caller.allowed,
  deleted.version is not null or exists (
    select 1 from users t
    where t.id = $6 and (select allowed and (admin or id = $7) from caller)
  ) as present,
  null as body, deleted.version, pg_current_xact_id_if_assigned()::text as written
from caller left join deleted on true;

-- DELETE /api/users/{id}, if-match
--   $1: the caller's id
--   $2: the id of the caller's key
--   $3: SHA-256 of its secret
--   $4, $5, $7, $8: the row's id
--   $6: if-match
with caller as materialized (
  select k.owner_id as id, k.scope = 'admin' as allowed, k.scope = 'admin' as admin
  from keys k
  right join (select uuid_send(gen_random_uuid()) as nonce) blind
    on k.owner_id = $1 and k.id = $2
  where sha256(
      coalesce(
        case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
        blind.nonce
      ) || blind.nonce
    ) = sha256(decode($3, 'hex') || blind.nonce)
),
deleted as (
  delete from users t
  where t.id = $4 and (select allowed and (admin or id = $5) from caller)
    and t.version = any (string_to_array($6, ',')::bigint[])
  returning t.version
)
select
  caller.id as caller_id, caller.allowed,
  deleted.version is not null or exists (
    select 1 from users t
    where t.id = $7 and (select allowed and (admin or id = $8) from caller)
  ) as present,
  null as body, deleted.version, pg_current_xact_id_if_assigned()::text as written
from caller left join deleted on true;
