import {
  type BatchChanged,
  type BatchCreated,
  created,
  faults,
  isReference,
  type Item,
  itemsOf,
  outcome,
} from "./_batch.ts";
import { allowed, caller, type Credential } from "./_caller.ts";
import { type Idempotency, once } from "./_idempotency.ts";
import { insertedTimestamps, json } from "./_row.ts";
import { todoColumns, type TodoFields, todoWith } from "./todos.ts";
import { type Database, retriedOn, sql } from "../postgres/mod.ts";

export function createTodos(
  db: Database,
  credential: Credential,
  items: TodoFields[],
  idempotency?: Idempotency,
): Promise<BatchCreated[]> {
  const { ownerId } = credential;
  return retriedOn(
    isReference,
    () =>
      once<BatchCreated>(db, credential, idempotency, ({ remembered, isNew, answer }) =>
        sql`
    with ${caller(credential, "write")},
    ${remembered},
    items as materialized (
      select ordinality - 1 as n, description, completed, due_date, student_id
      from rows from (
        json_to_recordset(${JSON.stringify(items)}::text::json) as (
          description text, completed boolean, due_date timestamptz, student_id bigint
        )
      ) with ordinality
    ),
    faults as (
      select i.n, 'student_id' as field
      from items i
      where i.student_id is not null and not exists (
        select from students s
        where s.owner_id = ${ownerId} and ${allowed} and s.id = i.student_id
      )
    ),
    inserted as (
      insert into todos as t (owner_id, description, completed, due_date, student_id)
      select ${ownerId}::bigint, items.description, items.completed, items.due_date, items.student_id
      from caller, items
      where caller.allowed
        and ${isNew} and not exists (select from faults)
      order by items.n
      returning t.*
    ),
    shown as (
      select t.id, ${json(todoWith(insertedTimestamps))} as body from inserted t
    ),
    ${created}
    ${answer}`, sql`, ${faults}`),
  );
}

/** What is left out of an item stays as it is. */
export function updateTodos(
  db: Database,
  credential: Credential,
  items: (Item & Partial<TodoFields>)[],
): Promise<BatchChanged[]> {
  const { ownerId } = credential;
  return retriedOn(isReference, () =>
    db.query(sql`
    with ${caller(credential, "write")},
    ${itemsOf(items, sql`, (sent ->> 'due_date')::timestamptz as due_date`)},
    faults as (
      select
        i.n,
        case
          when t.id is null then 'id'
          when t.version <> i.version then 'version'
          else 'student_id'
        end as field
      from items i
      left join todos t on t.owner_id = ${ownerId} and ${allowed} and t.id = i.id
      left join students s on s.owner_id = ${ownerId} and ${allowed} and s.id = (i.sent ->> 'student_id')::bigint
      where t.id is null or t.version <> i.version
        or (i.sent ->> 'student_id' is not null and s.id is null)
    ),
    updated as (
      update todos t
      set
        description = coalesce(i.sent ->> 'description', t.description),
        completed = coalesce((i.sent ->> 'completed')::boolean, t.completed),
        due_date = case when i.sent ? 'due_date' then i.due_date else t.due_date end,
        student_id = case
          when i.sent ? 'student_id' then (i.sent ->> 'student_id')::bigint else t.student_id
        end
      from items i
      where t.owner_id = ${ownerId} and ${allowed} and t.id = i.id
        and t.version = coalesce(i.version, t.version)
        and not exists (select from faults)
      returning i.n, t.*
    ),
    changed as (
      select t.n, ${json(todoColumns)} as body from updated t
    )
    ${outcome}`));
}

export function deleteTodos(
  db: Database,
  credential: Credential,
  items: Item[],
): Promise<BatchChanged[]> {
  const { ownerId } = credential;
  return db.query(sql`
    with ${caller(credential, "write")},
    ${itemsOf(items)},
    faults as (
      select i.n, case when t.id is null then 'id' else 'version' end as field
      from items i
      left join todos t on t.owner_id = ${ownerId} and ${allowed} and t.id = i.id
      where t.id is null or t.version <> i.version
    ),
    changed as (
      delete from todos t
      using items i
      where t.owner_id = ${ownerId} and ${allowed} and t.id = i.id
        and t.version = coalesce(i.version, t.version)
        and not exists (select from faults)
      returning i.n, null as body
    )
    ${outcome}`);
}
