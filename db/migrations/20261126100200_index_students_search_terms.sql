-- The words of students' names, by owner, as of todos.
-- lock: share update exclusive on students, writes go on
-- down loses nothing

-- migrate:up transaction:false
create index concurrently students_search_terms_idx
  on students using gin (search_terms(owner_id, plain_words(first_name || ' ' || last_name)))
  with (fastupdate = off);

-- migrate:down transaction:false
drop index concurrently students_search_terms_idx;
