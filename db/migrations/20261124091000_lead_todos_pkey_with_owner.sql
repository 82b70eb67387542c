-- A row is found by its owner and its id: each statement names the owner, so that a database of
-- several nodes knows where to ask, and no id alone leads to anybody's row. The index is there.
-- lock: access exclusive on todos, for a moment
-- down loses nothing

-- migrate:up
alter table todos drop constraint todos_pkey;

alter table todos add constraint todos_pkey primary key using index todos_owner_id_id_key;

-- migrate:down
alter table todos drop constraint todos_pkey;

create unique index todos_owner_id_id_key on todos (owner_id, id);

alter table todos add constraint todos_pkey primary key (id);
