-- Full-text search. 'simple' folds case and keeps every word: a todo may be in any language.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_search_idx
  on todos using gin (to_tsvector('simple', description));

-- migrate:down transaction:false
drop index concurrently todos_search_idx;
