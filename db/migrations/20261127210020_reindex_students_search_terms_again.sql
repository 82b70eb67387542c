-- The words of the rows that are there, as search compares them now.
-- lock: share update exclusive on students, writes go on
-- down loses nothing; it comes before the function's, so it leaves the index alone

-- migrate:up transaction:false
reindex index concurrently students_search_terms_idx;

-- migrate:down
-- safety: allow empty-down: the index follows the function, whose down says what to do
