-- The same pages backwards. Nulls come last there as well, so this one puts them at the beginning
-- of time and is read from its end.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_due_date_descending_idx
  on todos (owner_id, coalesce(due_date, '-infinity'), id);

-- migrate:down transaction:false
drop index concurrently todos_due_date_descending_idx;
