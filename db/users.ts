import type { Key } from "./_caller.ts";
import { createRow, fresh, type Idempotency } from "./_create.ts";
import {
  assignments,
  deleteRow,
  getPage,
  getRow,
  pageSized,
  shown,
  updateRow,
  utc,
  type Versions,
} from "./_shapes.ts";
import { byId, type PageRequest } from "./_sort.ts";
import { type Database, sql } from "./mod.ts";

export interface UserFields {
  name: string;
  email: string;
  years_old: number | null;
}

export const userSorts = ["id"] as const;

/** What a user shows, of table `t`. */
export const userColumns = sql`
  t.id,
  t.name,
  t.email,
  t.years_old,
  ${utc(sql`t.created_at`)} as created_at,
  ${utc(sql`t.updated_at`)} as updated_at,
  t.version`;

const rows = {
  from: sql`users t`,
  shown: shown(userColumns),
  // Oneself, or anybody for an admin.
  visible: sql`exists (select from caller where allowed and (caller.id = t.id or caller.admin))`,
};

export function getMe(db: Database, key: Key) {
  return getRow(db, key, rows, sql`(select id from caller)`);
}

export function getUser(db: Database, key: Key, id: string) {
  return getRow(db, key, rows, id);
}

export function listUsers(
  db: Database,
  key: Key,
  { descending, after, limit }: PageRequest<typeof userSorts[number]>,
) {
  const order = byId(descending, after);
  return getPage(
    db,
    key,
    "admin",
    limit,
    sql`
      select ${rows.shown}, t.id as last_id, ${order.value} as last_value
      from users t
      where exists (select from caller where allowed) and ${order.after}
      order by ${order.by}
      ${pageSized}`,
  );
}

export function createUser(db: Database, key: Key, fields: UserFields, idempotency?: Idempotency) {
  return createRow(
    db,
    { key, scope: "admin", operation: "createUser", idempotency },
    sql`
      insert into users as t (name, email, years_old)
      select ${fields.name}, ${fields.email}, ${fields.years_old}::integer
      from caller
      where ${fresh}
      returning t.id, ${rows.shown}`,
  );
}

export function updateUser(
  db: Database,
  key: Key,
  id: string,
  fields: Partial<UserFields>,
  versions?: Versions,
) {
  const set = assignments<Partial<UserFields>>(fields, {
    name: (value) => sql`name = ${value}`,
    email: (value) => sql`email = ${value}`,
    years_old: (value) => sql`years_old = ${value}`,
  });
  return updateRow(db, key, rows, id, set, versions);
}

/** With everything that the user owns: todos, students, keys and remembered answers. */
export function deleteUser(db: Database, key: Key, id: string, versions?: Versions) {
  return deleteRow(db, key, rows, id, versions);
}
