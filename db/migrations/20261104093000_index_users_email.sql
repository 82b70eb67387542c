-- One account an address, without regard to case. Concurrently: nobody waits while it is built.
-- If two rows share an address it fails and leaves an invalid index: drop that, merge the rows,
-- run it again.
-- lock: share update exclusive on users, writes go on
-- down loses nothing

-- migrate:up transaction:false
create unique index concurrently users_email_key on users (lower(email));

-- migrate:down transaction:false
drop index concurrently users_email_key;
