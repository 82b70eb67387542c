-- A batch is done as a whole or not at all, and in one statement. One that finds in the middle of its
-- work that a row was changed by somebody else undoes itself by this: the connection then runs it
-- again, as after every serialization failure, and it tells its caller which row it was.
-- lock: none
-- down loses nothing; batches need it

-- migrate:up
create function conflict() returns text
language plpgsql
as $$
begin
  raise serialization_failure using message = 'a row of the batch was changed meanwhile';
end
$$;

comment on function conflict is 'Undoes the statement and has it run again.';

-- migrate:down
drop function conflict();
