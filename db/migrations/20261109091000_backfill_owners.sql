-- Rows from before owners go to the oldest account; where there are rows and no account, to a new
-- one that nobody can sign in to until a key is made for it. Data only.
-- lock: row locks on the rows without an owner, until all are written; a table of many millions is
-- backfilled in slices instead
-- down loses nothing: the owners stay with their rows until the column goes

-- migrate:up
insert into users (name, email)
select 'Owner of the rows from before owners', 'owner@slate.invalid'
where not exists (select from users)
  and (exists (select from todos) or exists (select from students));

update todos set owner_id = (select min(id) from users) where owner_id is null;

update students set owner_id = (select min(id) from users) where owner_id is null;

-- migrate:down
select 'data only: nothing to revert';
