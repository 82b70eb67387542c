/**
 * What every resource promises, whoever added it, tried on each that the document has; and how a table
 * becomes one.
 */
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import document from "../../openapi.json" with { type: "json" };
import { newSecret } from "../../db/_secret.ts";
import { installKey } from "../../db/keys.ts";
import { type Database, DatabaseError, sql } from "../../postgres/mod.ts";
import { fieldOf } from "../../tasks/resource/fields.ts";
import { namesOf } from "../../tasks/resource/names.ts";
import { meaningOf } from "../../tasks/resource/problems.ts";
import { queryFile } from "../../tasks/resource/query_file.ts";
import { readTable, ResourceError } from "../../tasks/resource/table.ts";
import { createApi, type Json, type TestApi } from "../support/api.ts";
import { createDatabase, testWorkers } from "../support/database.ts";
import { temporaryFolder } from "../support/owner.ts";
import { root } from "../support/root.ts";
import { createSample, makeChange } from "../support/samples.ts";

const changeable = Object.entries<Json>(document.paths)
  .filter(([path, item]) => item.patch && /^\/api\/\w+\/\{id\}$/.test(path))
  .map(([path]) => path.split("/")[2]!);

/** Changes a row, whose version, ETag and time must say so. */
async function change(api: TestApi, table: string, key: string) {
  const path = `/api/${table}/${await createSample(api, table, key)}`;
  const before = await api.call(`GET ${path}`, { key });
  const body = await makeChange(api, table, before.json, key);
  const after = await api.call(`PATCH ${path}`, { key, body });
  assertEquals(after.status, 200, `PATCH ${path}: ${after.text}`);
  const why = `a change of ${table} is not counted: ` +
    `has ${table} its touch trigger? see users_touch in db/schema.sql`;
  assertEquals(after.json.version, before.json.version + 1, why);
  assertNotEquals(after.headers.get("etag"), before.headers.get("etag"), why);
  assert(after.json.updated_at > before.json.updated_at, why);
}

Deno.test("a change of any row raises its version by one, and its ETag and updated_at with it", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  assert(changeable.includes("users"));
  for (const table of changeable) await change(api, table, key);
});

Deno.test("a table whose touch trigger was forgotten is found", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  await api.database.db.script("drop trigger users_touch on users");
  await assertRejects(() => change(api, "users", key), Error, "has users its touch trigger?");
});

/** A table as docs/tutorial.md writes one, with these columns and constraints. */
const table = (name: string, own: string) => `
  create table ${name} (
    id bigint generated always as identity,
    owner_id bigint not null references users on delete cascade,
    ${own},
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 1,
    primary key (owner_id, id)
  );`;

/** The fields of a table, by name, and the constraints that have a meaning. */
async function readResource(db: Database, name: string) {
  const read = await readTable(db, name);
  const fields = read.columns.map(fieldOf);
  return {
    table: read,
    fields: Object.fromEntries(fields.map(({ name, schema }) => [name, schema])),
    query: queryFile(read, namesOf(name), fields),
    meanings: read.constraints.map((constraint) => {
      const { code, field } = meaningOf(constraint, namesOf(name));
      return `${constraint.name}: ${code} ${field}`;
    }),
  };
}

Deno.test("deno task resource: what no caller can write is left out or refused, with a way out", async (t) => {
  await using database = await createDatabase();
  const { db } = database;
  await db.script(table("test_rooms", "name text not null check (char_length(name) < 50)"));
  const refused: [own: string, words: string[]][] = [
    ["during tstzrange not null", ["two columns of timestamptz", "tstzrange(starts_at, ends_at)"]],
    ["days daterange", ["two columns of date", "daterange(starts_on, ends_on)"]],
    ["shape jsonb not null", ["shape is jsonb, for which there is no field yet"]],
    [
      "room_id bigint, foreign key (owner_id, room_id) references test_rooms (owner_id, id)",
      ["has no answer for: add `on delete cascade`, or `on delete set null (room_id)`"],
    ],
    [
      "room_id bigint, foreign key (owner_id, room_id) references test_rooms (owner_id, id) on delete set null",
      ["has no answer for"],
    ],
  ];
  for (const [own, words] of refused) {
    await t.step(own, async () => {
      await db.script(table("test_refusals", own));
      const { message } = await assertRejects(
        () => readResource(db, "test_refusals"),
        ResourceError,
      );
      for (const word of words) assertStringIncludes(message, word);
      await db.script("drop table test_refusals");
    });
  }
  await t.step("a column that PostgreSQL computes", async () => {
    await db.script(table(
      "test_bills",
      "net integer not null, tax integer not null, " +
        "gross integer generated always as (net + tax) stored check (gross < 1000)",
    ));
    const { table: read, fields, meanings } = await readResource(db, "test_bills");
    assertEquals(read.generated, ["gross"]);
    assertEquals(Object.keys(fields), ["net", "tax"]);
    assertEquals(meanings, ["test_bills_gross_check: invalid_test_bill_gross tax"]);
  });
});

Deno.test("deno task resource: a check becomes a bound of its field, or else a problem; so does a unique index", async () => {
  await using database = await createDatabase();
  await database.db.script(
    table(
      "test_goods",
      `code text not null check (code ~ '^[A-Z]+$' and char_length(code) between 1 and 9),
       name text not null check (char_length(name) > 0 and char_length(name) < 50),
       price numeric not null check (price > 0 and price <= 99.5),
       stock integer check (stock is not null and stock > 2)`,
    ) + "create unique index test_goods_name_key on test_goods (owner_id, lower(name));",
  );
  const { fields, meanings } = await readResource(database.db, "test_goods");
  assertEquals(fields, {
    code: "text(9)",
    name: "text(49)",
    price: 'z.number("must be a number").gt(0, "must be more than 0")' +
      '.max(99.5, "must be at most 99.5")',
    stock: "whole(3, 2147483647).nullable()",
  });
  assertEquals(meanings, [
    "test_goods_code_check: invalid_test_good_code code",
    "test_goods_name_key: test_good_exists name",
    "test_goods_stock_check: invalid_test_good_stock stock",
  ]);
});

Deno.test({
  name:
    "deno task resource: of 20 rows at once that exclude each other one is made, and none fails otherwise",
  async fn() {
    await using database = await createDatabase();
    await using folder = await temporaryFolder("slate-test-resource-");
    const { db } = database;
    await db.script(`
      create extension if not exists btree_gist;
      ${table("test_rooms", "name text")}
      ${
      table(
        "test_bookings",
        `room_id bigint not null, starts_at timestamptz not null, ends_at timestamptz not null,
         foreign key (owner_id, room_id) references test_rooms (owner_id, id) on delete cascade,
         constraint test_bookings_excl exclude using gist
           (owner_id with =, room_id with =, tstzrange(starts_at, ends_at) with &&)`,
      )
    }
      create trigger test_bookings_touch before update on test_bookings
        for each row when (old.* is distinct from new.*) execute function touch_row();`);
    if (testWorkers().length > 0) {
      await db.script(await Deno.readTextFile(`${root}/db/citus.sql`));
    }
    const { query, meanings } = await readResource(db, "test_bookings");
    assertEquals(meanings, [
      "test_bookings_excl: test_booking_conflict ends_at",
      "test_bookings_owner_id_room_id_fkey: test_room_not_found room_id",
    ]);
    const path = `${folder.path}/test_bookings.ts`;
    const here = (_: string, from: string) =>
      `from "${new URL(from, import.meta.resolve("../../db/x"))}"`;
    await Deno.writeTextFile(path, query.replaceAll(/from "(\.[^"]+)"/g, here));
    const { createTestBooking, updateTestBooking } = await import(`file://${path}`);

    const { secret: _, hash } = newSecret();
    const key = { email: "ada@example.com", scope: "write" as const, name: "x", hash };
    const [installed] = await installKey(db, key);
    const credential = { ownerId: installed!.owner_id, keyId: installed!.id, hash };
    const [room] = await db.query<{ id: string }>(sql`
      insert into test_rooms (owner_id, name) values (${credential.ownerId}, 'x') returning id`);
    const hour = (n: number) => `2030-01-${String(1 + n).padStart(2, "0")}T09:00:00Z`;
    const booking = (n: number) => ({
      room_id: room!.id,
      starts_at: hour(n),
      ends_at: hour(9 + n),
    });
    const tried = async (work: Promise<unknown>) =>
      await work.then(() => "done", (error) => error instanceof DatabaseError ? error.code : error);
    const oneOf = (n: number) => ["done", ...Array(n - 1).fill("23P01")].sort();

    const made = await Promise.all(
      Array.from(
        { length: 20 },
        (_, n) => tried(createTestBooking(db, credential, booking(n % 3))),
      ),
    );
    assertEquals(made.sort(), oneOf(20));
    await db.script("delete from test_bookings");
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) {
      const day = {
        starts_at: `20${40 + n}-01-01T09:00:00Z`,
        ends_at: `20${40 + n}-01-02T09:00:00Z`,
      };
      const [row] = await createTestBooking(db, credential, { ...booking(0), ...day });
      ids.push(row.id);
    }
    const { starts_at, ends_at } = booking(0);
    const changed = await Promise.all(
      ids.map((id) => tried(updateTestBooking(db, credential, id, { starts_at, ends_at }))),
    );
    assertEquals(changed.sort(), oneOf(20));
  },
});
