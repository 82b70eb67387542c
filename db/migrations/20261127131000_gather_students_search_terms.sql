-- As for todos, a migration before.
-- lock: access exclusive on the index, for a moment
-- down loses nothing; what is gathered then goes into the index with the next vacuum

-- migrate:up
alter index students_search_terms_idx set (fastupdate = on, gin_pending_list_limit = 64);

-- migrate:down
alter index students_search_terms_idx set (fastupdate = off);
alter index students_search_terms_idx reset (gin_pending_list_limit);
