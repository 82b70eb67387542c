-- The three roles of an installation, for an administrator to run once on a server, on the database
-- of Slate, before its first migration; again changes nothing but brings the settings back.
--
--   psql "$ADMIN_URL" --set ON_ERROR_STOP=1 --file db/roles.sql
--   psql "$ADMIN_URL" --command '\password slate_migrator' --command '\password slate_app'
--   DATABASE_URL=postgres://slate_migrator:...@host/slate deno task db up
--   DATABASE_URL=postgres://slate_app:...@host/slate deno task start
--
-- Each `up` runs db/grants.sql as well, which says what the application may do.
-- No role has a password until it is given one, so until then nobody can log in by it.
-- A database that was migrated by another role before: `reassign owned by that_role to slate_owner`.

do $$
begin
  if to_regrole('slate_owner') is null then
    create role slate_owner nologin;
  end if;
  if to_regrole('slate_migrator') is null then
    create role slate_migrator login;
  end if;
  if to_regrole('slate_app') is null then
    create role slate_app login;
  end if;
end $$;

-- The owner has the schema and all that is in it, and nobody logs in as it.
revoke create on schema public from public;
grant usage, create on schema public to slate_owner;

-- The migrator becomes the owner when it logs in, so that whatever it makes is the owner's.
grant slate_owner to slate_migrator;
alter role slate_migrator set role = 'slate_owner';

-- A migration may bring one of PostgreSQL's own extensions that it calls trusted, such as btree_gist.
do $$
begin
  execute format('grant create on database %I to slate_owner', current_database());
end $$;

-- The application: db/grants.sql has what it may do. These bounds hold also where its own deadline
-- does not: when its process was killed, or a pooler stands in between.
-- Longer than REQUEST_DEADLINE_MS, which is what stops a statement as a rule.
alter role slate_app set statement_timeout = '30s';
-- Shorter: a request that waits for a lock gives up with 503 before it holds up the next.
alter role slate_app set lock_timeout = '5s';
-- It opens no transaction; one that is open is a mistake.
alter role slate_app set idle_in_transaction_session_timeout = '5s';
-- Its own connections idle for a minute at most; one that idles longer has lost its process.
alter role slate_app set idle_session_timeout = '15min';
grant usage on schema public to slate_app;
