-- A todo or student that is written waits for its words. The same words in half the time, by loops
-- instead of queries: both are needed for each row of a batch. What is in the indexes stays right.
-- lock: none
-- down loses nothing

-- migrate:up
create or replace function plain_words(said text) returns text[]
language plpgsql immutable strict parallel safe
as $$
begin
  -- Accents are characters of their own in NFKD. What parts words is the punctuation of ASCII and
  -- of Unicode by its code points, because the classes of a regular expression change with the locale.
  return array_remove(
    regexp_split_to_array(
      lower(regexp_replace(normalize(said, nfkd), U&'[\0300-\036F]', '', 'g')),
      U&'[\0001-\002F\003A-\0040\005B-\0060\007B-\00BF\2000-\206F\3000-\303F]+'
    ),
    ''
  );
end
$$;

create or replace function search_terms(owner bigint, words text[]) returns tsvector
language plpgsql immutable strict parallel safe
as $$
declare
  opening constant text := '''' || owner || ':';
  terms text[] := words;
begin
  for n in 1 .. cardinality(words) loop
    -- Cut, because a word may be no longer than 2046 bytes.
    terms[n] := opening || left(words[n], 100) || ''':' || least(n, 16383);
  end loop;
  -- The owner alone as well, so that a search for what is not there stays among the owner's.
  return ('''' || owner || ''' ' || array_to_string(terms, ' '))::tsvector;
end
$$;

-- migrate:down
create or replace function search_terms(owner bigint, words text[]) returns tsvector
language plpgsql immutable strict parallel safe
as $$
begin
  -- The owner alone as well, so that a search for what is not there stays among the owner's. Cut,
  -- because a word may be no longer than 2046 bytes.
  return (
    select format('''%s''', owner) || coalesce(
      string_agg(format(' ''%s:%s'':%s', owner, left(word, 100), least(n, 16383)), ''), ''
    )
    from unnest(words) with ordinality listed (word, n)
  )::tsvector;
end
$$;

create or replace function plain_words(said text) returns text[]
language sql immutable strict parallel safe
as $$
  -- Accents are characters of their own in NFKD. What parts words is the punctuation of ASCII and
  -- of Unicode by its code points, because the classes of a regular expression change with the locale.
  select array_remove(
    regexp_split_to_array(
      lower(regexp_replace(normalize(said, nfkd), U&'[\0300-\036F]', '', 'g')),
      U&'[\0001-\002F\003A-\0040\005B-\0060\007B-\00BF\2000-\206F\3000-\303F]+'
    ),
    ''
  )
$$;
