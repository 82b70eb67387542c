import { allowed, caller, type Credential } from "./_caller.ts";
import { type Created, type Idempotency, once } from "./_idempotency.ts";
import { byId, mostRows, type Page, page, type PageRequest } from "./_page.ts";
import {
  type Changed,
  type Found,
  json,
  matches,
  timestamps,
  type Versions,
  written,
} from "./_row.ts";
import { proveCaller } from "./keys.ts";
import { type Database, sql } from "../postgres/mod.ts";

export interface UserFields {
  name: string;
  email: string;
  years_old: number | null;
}

/** What a user shows, of `users t`. */
export const userColumns = sql`t.id, t.name, t.email, t.years_old,
        ${timestamps}, t.version`;

/** The ways to sort a list of users, the default first. */
export const userSorts = { id: byId };

/** For an admin: everybody. */
export function listUsers(
  db: Database,
  credential: Credential,
  request: PageRequest<keyof typeof userSorts>,
): Promise<Page[]> {
  const order = userSorts[request.sort].order(request);
  return db.read(sql`
    with ${caller(credential, "admin")},
    rows as (
      select ${json(userColumns)} as body, t.id, ${order.value} as sort_value
      from users t
      where (select allowed and admin from caller) and ${order.after}
      order by ${order.by}
      ${mostRows}
    ),
    ${page(request.limit)}
    select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
    from caller, page`);
}

export function getUser(db: Database, credential: Credential, id: string): Promise<Found[]> {
  return db.read(sql`
    with ${caller(credential, "read")},
    found as (
      select ${json(userColumns)} as body, t.version
      from users t
      where t.id = ${id} and (select allowed and (admin or id = ${id}) from caller)
    )
    select caller.id as caller_id, caller.allowed, found.body, found.version
    from caller left join found on true`);
}

/** A statement does not see the account that it makes itself, so a new person's is made before it. */
export async function getMe(db: Database, credential: Credential): Promise<Found[]> {
  if (typeof credential.ownerId !== "string") await proveCaller(db, credential, "read");
  return await db.read(sql`
    with ${caller(credential, "read")},
    found as (
      select ${json(userColumns)} as body, t.version
      from users t
      where t.id = ${credential.ownerId} and ${allowed}
    )
    select caller.id as caller_id, caller.allowed, found.body, found.version
    from caller left join found on true`);
}

/** For an admin. */
export function createUser(
  db: Database,
  credential: Credential,
  user: UserFields,
  idempotency?: Idempotency,
): Promise<Created[]> {
  return once(db, credential, idempotency, ({ remembered, isNew, answer }) =>
    sql`
    with ${caller(credential, "admin")},
    ${remembered},
    created as (
      insert into users as t (name, email, years_old)
      select ${user.name}, ${user.email}, ${user.years_old}::integer
      from caller
      where caller.allowed and ${isNew}
      returning t.id, ${json(userColumns)} as body, t.version
    )
    ${answer}`);
}

/** What is left out of `change` stays as it is. */
export function updateUser(
  db: Database,
  credential: Credential,
  id: string,
  change: Partial<UserFields>,
  versions?: Versions,
): Promise<Changed[]> {
  const { name = sql`t.name`, email = sql`t.email`, years_old = sql`t.years_old` } = change;
  return db.query(sql`
    with ${caller(credential, "write")},
    changed as (
      update users t
      set name = ${name}, email = ${email}, years_old = ${years_old}
      where t.id = ${id} and (select allowed and (admin or id = ${id}) from caller)
        and ${matches(versions)}
      returning t.*
    ),
    shown as (
      select ${json(userColumns)} as body, t.version from changed t
    )
    select
      caller.id as caller_id, caller.allowed,
      shown.version is not null or exists (
        select 1 from users t
        where t.id = ${id} and (select allowed and (admin or id = ${id}) from caller)
      ) as present,
      shown.body, shown.version, ${written}
    from caller left join shown on true`);
}

/** With one go all that the user owns: todos, students, keys and remembered answers. For an admin. */
export function deleteUser(
  db: Database,
  credential: Credential,
  id: string,
  versions?: Versions,
): Promise<Changed[]> {
  return db.query(sql`
    with ${caller(credential, "admin")},
    deleted as (
      delete from users t
      where t.id = ${id} and (select allowed and (admin or id = ${id}) from caller)
        and ${matches(versions)}
      returning t.version
    )
    select
      caller.id as caller_id, caller.allowed,
      deleted.version is not null or exists (
        select 1 from users t
        where t.id = ${id} and (select allowed and (admin or id = ${id}) from caller)
      ) as present,
      null as body, deleted.version, ${written}
    from caller left join deleted on true`);
}
