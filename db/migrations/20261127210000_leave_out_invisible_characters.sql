-- Search leaves out what nobody sees: soft hyphens, joiners, marks of direction, variation selectors.
-- Text from web pages has them inside its words, where they parted them: such a word was found by its
-- pieces alone. A zero width space goes on parting words. The next two migrations build the indexes
-- again; until then rows that have such characters are found by their other words alone.
-- lock: none
-- down loses nothing; after it `reindex index concurrently` both, for the same reason

-- migrate:up
create or replace function plain_words(said text) returns text[]
language plpgsql immutable strict parallel safe
as $$
declare
  plain text;
begin
  if octet_length(said) = char_length(said) then
    plain := lower(said collate "C");
  else
    -- In NFKD accents, points and vowel signs are characters of their own, at most three to a letter.
    -- The signs of Indic scripts stay: they are a part of the word. Soft hyphens, joiners, marks of
    -- direction and variation selectors are no part of it; a zero width space parts words.
    plain := lower(regexp_replace(
      left(normalize(said, nfkd), 40000),
      U&'[\00AD\0300-\036F\0483-\0489\0591-\05BD\05BF\05C1\05C2\05C4\05C5\05C7\0610-\061A\061C\0640\064B-\065F\0670\06D6-\06DC\06DF-\06E4\06E7\06E8\06EA-\06ED\08CA-\08E1\08E3-\08FF\180B-\180F\1AB0-\1AFF\1DC0-\1DFF\200C-\200F\202A-\202E\2060-\206F\20D0-\20FF\FE00-\FE0F\FE20-\FE2F\FEFF\+0E0100-\+0E01EF]',
      '', 'g'
    ));
    -- Letters that do not decompose. Also in upper case, which lower() leaves where the locale is C.
    if plain ~ '[ŁłØøĐđÐðĦħŦŧıÆŒÞẞ]' then
      plain := translate(plain, 'ŁłØøĐđÐðĦħŦŧıÆŒÞẞ', 'llooddddhhttiæœþß');
    end if;
    plain := replace(replace(replace(replace(replace(
      plain, 'ß', 'ss'), 'ς', 'σ'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
  end if;
  -- What parts words is punctuation by its code points, because the classes of a regular expression
  -- change with the locale.
  return array_remove(
    regexp_split_to_array(
      plain,
      U&'[\0001-\002F\003A-\0040\005B-\0060\007B-\00BF\055A-\055F\0589\058A\05BE\05C0\05C3\05C6\05F3\05F4\060C\060D\061B-\061F\066A-\066D\06D4\0964\0965\2000-\206F\3000-\303F\30FB]+'
    ),
    ''
  );
end
$$;

-- migrate:down
create or replace function plain_words(said text) returns text[]
language plpgsql immutable strict parallel safe
as $$
declare
  plain text;
begin
  if octet_length(said) = char_length(said) then
    plain := lower(said collate "C");
  else
    -- In NFKD accents, points and vowel signs are characters of their own, at most three to a letter.
    -- The signs of Indic scripts stay: they are a part of the word.
    plain := lower(regexp_replace(
      left(normalize(said, nfkd), 40000),
      U&'[\0300-\036F\0483-\0489\0591-\05BD\05BF\05C1\05C2\05C4\05C5\05C7\0610-\061A\0640\064B-\065F\0670\06D6-\06DC\06DF-\06E4\06E7\06E8\06EA-\06ED\08CA-\08E1\08E3-\08FF\1AB0-\1AFF\1DC0-\1DFF\20D0-\20FF\FE00-\FE0F\FE20-\FE2F]',
      '', 'g'
    ));
    -- Letters that do not decompose. Also in upper case, which lower() leaves where the locale is C.
    if plain ~ '[ŁłØøĐđÐðĦħŦŧıÆŒÞẞ]' then
      plain := translate(plain, 'ŁłØøĐđÐðĦħŦŧıÆŒÞẞ', 'llooddddhhttiæœþß');
    end if;
    plain := replace(replace(replace(replace(replace(
      plain, 'ß', 'ss'), 'ς', 'σ'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
  end if;
  -- What parts words is punctuation by its code points, because the classes of a regular expression
  -- change with the locale.
  return array_remove(
    regexp_split_to_array(
      plain,
      U&'[\0001-\002F\003A-\0040\005B-\0060\007B-\00BF\055A-\055F\0589\058A\05BE\05C0\05C3\05C6\05F3\05F4\060C\060D\061B-\061F\066A-\066D\06D4\0964\0965\2000-\206F\3000-\303F\30FB]+'
    ),
    ''
  );
end
$$;
