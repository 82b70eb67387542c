-- Of a deleted row only its id is left, for 31 days, so that copies can follow: a cursor is good for
-- 30. The second index lets each deletion take two old ones of the same owner along.
-- lock: share row exclusive on users, for a moment
-- down loses which rows were deleted

-- migrate:up
create table deletions (
  owner_id bigint not null,
  changed_in xid8 not null default pg_current_xact_id(),
  kind text not null,
  row_id bigint not null,
  deleted_at timestamptz not null default now(),
  constraint deletions_pkey primary key (owner_id, changed_in, kind, row_id),
  constraint deletions_owner_id_fkey foreign key (owner_id) references users (id) on delete cascade
);

create index deletions_deleted_at_idx on deletions (owner_id, deleted_at);

comment on table deletions is 'The ids of rows that were deleted in the last 31 days.';
comment on column deletions.changed_in is 'The number of the transaction that deleted it.';
comment on column deletions.kind is 'What it was, such as todo.';

-- migrate:down
drop table deletions;
