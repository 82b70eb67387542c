-- What the application's role may do: rows of its tables, and nothing else. `deno task db up` runs it
-- where db/roles.sql was run; again changes nothing. A table that is missing here is missing for the
-- application: the API's tests run under this role and fail.
grant select, insert, update, delete on users to slate_app;
grant select, insert, update, delete on keys to slate_app;
grant select, insert, update, delete on identities to slate_app;
grant select, insert, update, delete on idempotency_keys to slate_app;
grant select, insert, update, delete on deletions to slate_app;
grant select, insert, update, delete on students to slate_app;
grant select, insert, update, delete on todos to slate_app;

-- On Citus whoever makes a user draws its number; see db/citus.sql.
grant usage on sequence users_id_seq to slate_app;

-- /api/health/ready compares the versions with those of its build. The ledger stays closed: it
-- holds the migrations' text and people's names.
grant select (version) on schema_migrations to slate_app;
