import type { Key } from "./_caller.ts";
import {
  assignments,
  change,
  type Changed,
  create,
  type Created,
  type Found,
  fresh,
  type Idempotency,
  matching,
  type Page,
  page,
  read,
  shown,
  utc,
  type Versions,
} from "./_shapes.ts";
import { type After, byId } from "./_sort.ts";
import { type Database, sql } from "./mod.ts";

export interface UserFields {
  name: string;
  email: string;
  years_old: number | null;
}

export const userSorts = ["id"] as const;

export interface UserPageRequest {
  sort: typeof userSorts[number];
  descending: boolean;
  after?: After;
  limit: number;
}

/** What a user shows, of table `t`. */
export const userColumns = sql`
  t.id,
  t.name,
  t.email,
  t.years_old,
  ${utc(sql`t.created_at`)} as created_at,
  ${utc(sql`t.updated_at`)} as updated_at,
  t.version`;

const user = shown(userColumns);

/** Oneself, or anybody for an admin. */
const visible = sql`
  exists (select from caller where allowed and (caller.id = t.id or caller.admin))`;

export function getMe(db: Database, key: Key): Promise<Found[]> {
  return db.query(read(
    key,
    "read",
    sql`
      select ${user}
      from users t
      where t.id = (select id from caller where allowed)`,
  ));
}

export function getUser(db: Database, key: Key, id: string): Promise<Found[]> {
  return db.query(read(
    key,
    "read",
    sql`
      select ${user}
      from users t
      where t.id = ${id} and ${visible}`,
  ));
}

export function listUsers(
  db: Database,
  key: Key,
  { descending, after, limit }: UserPageRequest,
): Promise<Page[]> {
  const order = byId(descending, after);
  return db.query(page(
    key,
    "admin",
    limit,
    sql`
      select ${user}, t.id as last_id, ${order.value} as last_value
      from users t
      where exists (select from caller where allowed) and ${order.after}
      order by ${order.by}
      limit ${limit + 1}`,
  ));
}

export function createUser(
  db: Database,
  key: Key,
  fields: UserFields,
  idempotency?: Idempotency,
): Promise<Created[]> {
  return create(
    db,
    { key, scope: "admin", operation: "createUser", idempotency },
    sql`
      insert into users as t (name, email, years_old)
      select ${fields.name}, ${fields.email}, ${fields.years_old}::integer
      from caller
      where ${fresh}
      returning t.id, ${user}`,
  );
}

export function updateUser(
  db: Database,
  key: Key,
  id: string,
  fields: Partial<UserFields>,
  versions?: Versions,
): Promise<Changed[]> {
  const set = assignments<Partial<UserFields>>(fields, {
    name: (value) => sql`name = ${value}`,
    email: (value) => sql`email = ${value}`,
    years_old: (value) => sql`years_old = ${value}`,
  });
  return db.query(change(
    key,
    "write",
    sql`
      select from users t
      where t.id = ${id} and ${visible}`,
    sql`
      update users t
      set ${set}
      where t.id = ${id} and ${visible} and ${matching(versions)}
      returning ${user}`,
  ));
}

/** With everything that the user owns: todos, students, keys and remembered answers. */
export function deleteUser(
  db: Database,
  key: Key,
  id: string,
  versions?: Versions,
): Promise<Changed[]> {
  return db.query(change(
    key,
    "write",
    sql`
      select from users t
      where t.id = ${id} and ${visible}`,
    sql`
      delete from users t
      where t.id = ${id} and ${visible} and ${matching(versions)}
      returning null as body, t.version`,
  ));
}
