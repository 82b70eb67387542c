-- The schema as people read it: what the migrations build, proven equal to them. Written by
-- `deno task db schema`; or edit it, and `deno task db diff <name>` drafts the migration.

set check_function_bodies = off;

create function touch_row()
  returns trigger
  language plpgsql
as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end
$$;

comment on function touch_row() is 'Counts a row''s version, the source of its ETag.';

create table users (
  id bigint generated always as identity,
  name text not null,
  email text not null,
  years_old integer,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint users_pkey primary key (id),
  constraint users_email_check check (char_length(email) >= 1 and char_length(email) <= 120),
  constraint users_name_check check (char_length(name) >= 1 and char_length(name) <= 100),
  constraint users_years_old_check check (years_old >= 0 and years_old <= 150)
);

create unique index users_email_key on users (lower(email));

create trigger users_touch before update on users
  for each row when (old.* is distinct from new.*)
  execute function touch_row();

comment on table users is 'An account. Everything else belongs to one.';
comment on column users.years_old is 'In years. Null: not known.';
comment on column users.version is 'Grows by one with every change; the ETag.';

create table deletions (
  owner_id bigint not null,
  changed_in xid8 not null default pg_current_xact_id(),
  kind text not null,
  row_id bigint not null,
  deleted_at timestamptz not null default now(),
  constraint deletions_pkey primary key (owner_id, changed_in, kind, row_id),
  constraint deletions_owner_id_fkey foreign key (owner_id)
    references users (id)
    on delete cascade
);

create index deletions_deleted_at_idx on deletions (owner_id, deleted_at);

comment on table deletions is 'The ids of rows that were deleted in the last 31 days.';
comment on column deletions.changed_in is 'The number of the transaction that deleted it.';
comment on column deletions.kind is 'What it was, such as todo.';

create table idempotency_keys (
  owner_id bigint not null,
  route text not null,
  key text not null,
  request_hash bytea not null,
  row_id bigint not null,
  row_version bigint not null,
  body text not null,
  expires_at timestamptz not null default (now() + '24:00:00'::interval),
  constraint idempotency_keys_pkey primary key (owner_id, route, key),
  constraint idempotency_keys_owner_id_fkey foreign key (owner_id)
    references users (id)
    on delete cascade,
  constraint idempotency_keys_request_hash_check check (octet_length(request_hash) = 32)
);

create index idempotency_keys_owner_id_idx on idempotency_keys (owner_id, expires_at);

comment on table idempotency_keys is 'Remembered answers of POST requests.';
comment on column idempotency_keys.route is 'The operation, such as createTodo.';
comment on column idempotency_keys.request_hash is 'SHA-256 of the body that was sent.';
comment on column idempotency_keys.body is 'The answer''s JSON, without a key''s secret.';

create table identities (
  owner_id bigint not null,
  issuer text not null,
  subject text not null,
  created_at timestamptz not null default now(),
  constraint identities_pkey primary key (owner_id, issuer, subject),
  constraint identities_subject_key unique (issuer, subject),
  constraint identities_owner_id_fkey foreign key (owner_id)
    references users (id)
    on delete cascade,
  constraint identities_issuer_check
    check (char_length(issuer) >= 1 and char_length(issuer) <= 1000),
  constraint identities_subject_check
    check (char_length(subject) >= 1 and char_length(subject) <= 255)
);

comment on table identities is 'Who a user is to an OpenID Connect issuer.';
comment on column identities.subject is 'The claim sub, which an issuer never gives to somebody else.';

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
  constraint keys_pkey primary key (owner_id, id),
  constraint keys_owner_id_fkey foreign key (owner_id) references users (id) on delete cascade,
  constraint keys_name_check check (char_length(name) >= 1 and char_length(name) <= 100),
  constraint keys_scope_check check (scope in ('read', 'write', 'admin')),
  constraint keys_secret_hash_check check (octet_length(secret_hash) = 32)
);

create trigger keys_touch before update on keys
  for each row when (old.* is distinct from new.*)
  execute function touch_row();

comment on table keys is 'What a caller proves who it is with.';
comment on column keys.scope is 'Each holds the ones before it: read, write, admin.';
comment on column keys.secret_hash is 'SHA-256 of the secret, which is 256 random bits and not kept.';
comment on column keys.expires_at is 'Null: never.';
comment on column keys.replaced_at is 'From when on only its successor counts. Null: it has none.';
comment on column keys.version is 'Grows by one with every change; the ETag.';

create function plain_words(said text)
  returns text[]
  language plpgsql
  immutable parallel safe strict
as $$
declare
  plain text;
begin
  if octet_length(said) = char_length(said) then
    plain := lower(said collate "C");
  else
    -- In NFKD accents, points and vowel signs are characters of their own, at most three to a letter.
    -- The signs of Indic scripts stay: they are a part of the word. Soft hyphens, joiners, marks of
    -- direction and variation selectors are no part of it; a zero width space parts words.
    plain := lower(regexp_replace(
      left(normalize(said, nfkd), 40000),
      U&'[\00AD\0300-\036F\0483-\0489\0591-\05BD\05BF\05C1\05C2\05C4\05C5\05C7\0610-\061A\061C\0640\064B-\065F\0670\06D6-\06DC\06DF-\06E4\06E7\06E8\06EA-\06ED\08CA-\08E1\08E3-\08FF\180B-\180F\1AB0-\1AFF\1DC0-\1DFF\200C-\200F\202A-\202E\2060-\206F\20D0-\20FF\FE00-\FE0F\FE20-\FE2F\FEFF\+0E0100-\+0E01EF]',
      '', 'g'
    ));
    -- Letters that do not decompose. Also in upper case, which lower() leaves where the locale is C.
    if plain ~ '[ŁłØøĐđÐðĦħŦŧıÆŒÞẞ]' then
      plain := translate(plain, 'ŁłØøĐđÐðĦħŦŧıÆŒÞẞ', 'llooddddhhttiæœþß');
    end if;
    plain := replace(replace(replace(replace(replace(
      plain, 'ß', 'ss'), 'ς', 'σ'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
  end if;
  -- What parts words is punctuation by its code points, because the classes of a regular expression
  -- change with the locale.
  return array_remove(
    regexp_split_to_array(
      plain,
      U&'[\0001-\002F\003A-\0040\005B-\0060\007B-\00BF\055A-\055F\0589\058A\05BE\05C0\05C3\05C6\05F3\05F4\060C\060D\061B-\061F\066A-\066D\06D4\0964\0965\2000-\206F\3000-\303F\30FB]+'
    ),
    ''
  );
end
$$;

comment on function plain_words(pg_catalog.text) is 'The words of a text, as search compares them.';

create function search_terms(owner bigint, words text[])
  returns tsvector
  language plpgsql
  immutable parallel safe strict
as $$
begin
  for n in 1 .. cardinality(words) loop
    -- Cut, because a word may be no longer than 2046 bytes.
    words[n] := concat('''', owner, ':', left(words[n], 100), ''':', least(n, 16383));
  end loop;
  -- The owner alone where there is no word, so that a search that only leaves out finds it.
  return coalesce(nullif(array_to_string(words, ' '), ''), owner::text)::tsvector;
end
$$;

comment on function search_terms(bigint,pg_catalog.text[]) is 'The words of an owner''s text, each with its owner, for an index.';

create function note_deletion()
  returns trigger
  language plpgsql
as $$
begin
  insert into public.deletions (owner_id, kind, row_id)
  select old.owner_id, tg_argv[0], old.id
  where exists (select from public.users u where u.id = old.owner_id);
  delete from public.deletions d
  where d.owner_id = old.owner_id and (d.changed_in, d.kind, d.row_id) in (
    select o.changed_in, o.kind, o.row_id
    from public.deletions o
    where o.owner_id = old.owner_id and o.deleted_at < now() - interval '31 days'
    order by o.deleted_at
    limit 2
    for update skip locked
  );
  return null;
end
$$;

comment on function note_deletion() is 'Keeps a deleted row''s id, and takes two old ones along.';

create function touch_followed_row()
  returns trigger
  language plpgsql
as $$
begin
  -- Only a restore sets the number by hand, and changes nothing else.
  if new.changed_in = old.changed_in then
    new.version := old.version + 1;
    new.updated_at := now();
    new.changed_in := pg_current_xact_id();
  end if;
  return new;
end
$$;

comment on function touch_followed_row() is 'touch_row() of a row that copies follow.';

create table students (
  id bigint generated always as identity,
  first_name text not null,
  last_name text not null,
  age integer,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  owner_id bigint not null,
  changed_in xid8 not null default pg_current_xact_id(),
  constraint students_pkey primary key (owner_id, id),
  constraint students_owner_id_fkey foreign key (owner_id) references users (id) on delete cascade,
  constraint students_age_check check (age >= 0 and age <= 150),
  constraint students_first_name_check
    check (char_length(first_name) >= 1 and char_length(first_name) <= 100),
  constraint students_last_name_check
    check (char_length(last_name) >= 1 and char_length(last_name) <= 100)
);

create index students_changed_in_idx on students (owner_id, changed_in, id);

create index students_last_name_idx on students (owner_id, last_name, id);

create index students_search_terms_idx
  on students using gin (search_terms(owner_id, plain_words((first_name || ' '::text) || last_name))) with (fastupdate='on', gin_pending_list_limit='64');

create trigger students_note_deletion after delete on students
  for each row
  execute function note_deletion('student');

create trigger students_touch before update on students
  for each row when (old.* is distinct from new.*)
  execute function touch_followed_row();

comment on table students is 'A person on a user''s roster, to whom todos may be assigned.';
comment on column students.age is 'In years. Null: not known.';
comment on column students.version is 'Grows by one with every change; the ETag.';
comment on column students.owner_id is 'The user on whose roster it is. Never on the wire.';
comment on column students.changed_in is 'The number of the transaction that changed it last. Never on the wire.';

create table todos (
  id bigint generated always as identity,
  description text not null,
  completed boolean not null default false,
  due_date timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  owner_id bigint not null,
  student_id bigint,
  changed_in xid8 not null default pg_current_xact_id(),
  constraint todos_pkey primary key (owner_id, id),
  constraint todos_owner_id_fkey foreign key (owner_id) references users (id) on delete cascade,
  constraint todos_student_id_fkey foreign key (owner_id, student_id)
    references students (owner_id, id)
    on delete set null (student_id),
  constraint todos_description_check
    check (char_length(description) >= 1 and char_length(description) <= 10000),
  constraint todos_due_date_check
    check (due_date >= '0001-01-01 00:00:00+00'::timestamptz
      and due_date < '9999-01-01 00:00:00+00'::timestamptz)
);

create index todos_changed_in_idx on todos (owner_id, changed_in, id);

create index todos_due_date_descending_idx
  on todos (owner_id, coalesce(due_date, '-infinity'::timestamptz), id);

create index todos_due_date_idx
  on todos (owner_id, coalesce(due_date, 'infinity'::timestamptz), id);

create index todos_open_idx on todos (owner_id, id) where not completed;

create index todos_search_terms_idx
  on todos using gin (search_terms(owner_id, plain_words(description))) with (fastupdate='on', gin_pending_list_limit='64');

create index todos_student_id_idx
  on todos (owner_id, student_id, id)
  where student_id is not null;

create index todos_updated_at_idx on todos (owner_id, updated_at, id);

create trigger todos_note_deletion after delete on todos
  for each row
  execute function note_deletion('todo');

create trigger todos_touch before update on todos
  for each row when (old.* is distinct from new.*)
  execute function touch_followed_row();

comment on table todos is 'Something that a user wants to get done.';
comment on column todos.due_date is 'Null: no date is set.';
comment on column todos.version is 'Grows by one with every change; the ETag.';
comment on column todos.owner_id is 'The user whose todo it is. Never on the wire.';
comment on column todos.student_id is 'To whom it is assigned; a student of the same owner.';
comment on column todos.changed_in is 'The number of the transaction that changed it last. Never on the wire.';

create function conflict()
  returns text
  language plpgsql
as $$
begin
  raise serialization_failure using message = 'a row of the batch was changed meanwhile';
end
$$;

comment on function conflict() is 'Undoes the statement and has it run again.';

create function history_of(owner bigint)
  returns text
  language sql
  stable
as $$
  select concat_ws(
    ' ', system_identifier,
    -- From a promotion to the checkpoint after it only the second knows.
    greatest(timeline_id, min_recovery_end_timeline),
    to_regclass('public.todos')::oid
  )
  from pg_control_system(), pg_control_checkpoint(), pg_control_recovery()
$$;

comment on function history_of(bigint) is 'Whose count the transactions of this owner''s changes are numbered by.';

create function search_query(owner bigint, said text)
  returns tsquery
  language plpgsql
  immutable parallel safe strict
as $$
begin
  -- A word holds neither a quote nor a backslash, whatever was typed.
  return (
    with typed as (
      select
        n, piece[1] = '-' as excluded, piece[2] as phrase, piece[3] as plain,
        count(*) filter (where lower(piece[3]) = 'or') over (order by n) as alternative,
        n = max(n) over () and piece[1] = '' and piece[2] is null as unfinished
      from regexp_matches(said, '(-?)(?:"([^"]*)"|([^"[:space:]]+))', 'g') with ordinality m (piece, n)
    ),
    terms as (
      select
        alternative, n, excluded,
        (
          select string_agg(
            format(
              '''%s:%s''%s', owner, left(word, 100),
              case when unfinished and i = cardinality(words) then ':*' end
            ),
            case when phrase is null then ' & ' else ' <-> ' end
            order by i
          )
          from unnest(words) with ordinality listed (word, i)
        ) as term
      from typed, public.plain_words(coalesce(phrase, plain)) words
      where lower(plain) is distinct from 'or'
    ),
    alternatives as (
      select
        string_agg(format('%s(%s)', case when excluded then '!' end, term), ' & ' order by n) as all_of,
        bool_and(excluded) as only_excluded
      from terms
      where term is not null
      group by alternative
    )
    select string_agg(
      case
        -- Of the owner's rows: those with any word, and those with none.
        when only_excluded then format('((''%1$s'' | ''%1$s:'':*) & %2$s)', owner, all_of)
        else format('(%s)', all_of)
      end,
      ' | '
    )
    from alternatives
  )::tsquery;
end
$$;

comment on function search_query(bigint,pg_catalog.text) is 'What a person typed: all words, "a phrase", -without, this or that; the last word by its beginning. Null where there is no word.';
