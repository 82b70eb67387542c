-- Search finds words without regard to case, accents and Unicode form, and the last one by its
-- beginning. Each word carries its owner in the index, so that a search reads the caller's words and
-- nobody else's: it costs what is theirs, and its time says nothing about others.
-- In PL/pgSQL, which keeps their plans: in SQL a row that is written would wait for them to be planned.
-- lock: none
-- down loses nothing

-- migrate:up
create function plain_words(said text) returns text[]
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

comment on function plain_words is 'The words of a text, as search compares them.';

create function search_terms(owner bigint, words text[]) returns tsvector
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

comment on function search_terms is 'The words of an owner''s text, each with its owner, for an index.';

create function search_query(owner bigint, said text) returns tsquery
language plpgsql immutable strict parallel safe
as $$
begin
  -- A word holds neither a quote nor a backslash, whatever was typed.
  return (
    with typed as (
      select
        n, piece[1] = '-' as excluded, piece[2] as phrase, piece[3] as plain,
        count(*) filter (where lower(piece[3]) = 'or') over (order by n) as alternative,
        n = max(n) over () and piece[1] = '' and piece[2] is null as unfinished
      from regexp_matches(said, '(-?)(?:"([^"]*)"|([^"[:space:]]+))', 'g') with ordinality m (piece, n)
    ),
    terms as (
      select
        alternative, n, excluded,
        (
          select string_agg(
            format(
              '''%s:%s''%s', owner, left(word, 100),
              case when unfinished and i = cardinality(words) then ':*' end
            ),
            case when phrase is null then ' & ' else ' <-> ' end
            order by i
          )
          from unnest(words) with ordinality listed (word, i)
        ) as term
      from typed, public.plain_words(coalesce(phrase, plain)) words
      where lower(plain) is distinct from 'or'
    ),
    alternatives as (
      select string_agg(format('%s(%s)', case when excluded then '!' end, term), ' & ' order by n) as all_of
      from terms
      where term is not null
      group by alternative
    )
    select string_agg(format('(''%s'' & %s)', owner, all_of), ' | ')
    from alternatives
  )::tsquery;
end
$$;

comment on function search_query is 'What a person typed: all words, "a phrase", -without, this or that; the last word by its beginning. Null where there is no word.';

-- migrate:down
drop function search_query(bigint, text);

drop function search_terms(bigint, text[]);

drop function plain_words(text);
