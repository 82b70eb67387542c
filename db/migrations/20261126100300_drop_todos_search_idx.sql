-- Nothing searches the words of all users any more. A release from before the new index would: it
-- goes on, and reads the caller's todos instead.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
drop index concurrently todos_search_idx;

-- migrate:down transaction:false
create index concurrently todos_search_idx
  on todos using gin (to_tsvector('simple', description));
