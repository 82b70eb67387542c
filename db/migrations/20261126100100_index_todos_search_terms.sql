-- The words of todos, by owner. What is new goes into the index at once: a list of what is pending
-- would be read by every search, whoever owns it.
-- lock: share update exclusive on todos, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently todos_search_terms_idx
  on todos using gin (search_terms(owner_id, plain_words(description))) with (fastupdate = off);

-- migrate:down transaction:false
drop index concurrently todos_search_terms_idx;
