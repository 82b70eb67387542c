import type { Key } from "./_caller.ts";
import { byId, stamps, table } from "./_table.ts";
import { type Database, sql } from "../postgres/mod.ts";

export interface UserFields {
  name: string;
  email: string;
  years_old: number | null;
}

/** With one go all that the user owns: todos, students, keys and remembered answers. */
export const users = table({
  from: sql`users t`,
  columns: sql`t.id, t.name, t.email, t.years_old, ${stamps}`,
  // Oneself, or anybody for an admin.
  visible: sql`exists (select from caller where allowed and (caller.id = t.id or caller.admin))`,
  scopes: { list: "admin", create: "admin" },
  sorts: { id: byId },
  insert: (user: UserFields) =>
    sql`
    insert into users as t (name, email, years_old)
    select ${user.name}, ${user.email}, ${user.years_old}::integer
    from caller`,
  set: {
    name: (value) => sql`name = ${value}`,
    email: (value) => sql`email = ${value}`,
    years_old: (value) => sql`years_old = ${value}`,
  },
});

export function getMe(db: Database, key: Key) {
  return users.get(db, key, sql`(select id from caller)`);
}
