-- Pages by due date, nulls last. A key-set page continues after a pair of values and null is none,
-- so the expression puts todos without a date at the end of time.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_due_date_idx
  on todos (owner_id, coalesce(due_date, 'infinity'), id);

-- migrate:down transaction:false
drop index concurrently todos_due_date_idx;
