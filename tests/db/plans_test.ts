/**
 * How PostgreSQL runs each statement on filled tables, as it does from the sixth time on: by a plan
 * that is kept, whatever the values. A page reads an index in the page's order.
 */
import { assert, assertEquals } from "@std/assert";
import { type Database, sql, Statement } from "../../postgres/mod.ts";
import type { Json } from "../support/api.ts";
import { connectPatiently, createDatabase } from "../support/database.ts";
import { type Request, sendEveryQuery } from "../support/every_request.ts";
import { findQueries, type Sent } from "../support/queries.ts";

/** 2,000 users, of whom 50 have 400 todos each, 100 students and so on. */
const fill = `
  set session_replication_role = replica;
  insert into users (name, email)
    select 'x', 'user' || n || '@example.com' from generate_series(1, 2000) n;
  insert into students (owner_id, first_name, last_name)
    select u.id, 'x', md5(n::text) from generate_series(1, 100) n, (select id from users order by id limit 50) u;
  insert into todos (owner_id, description, completed, due_date, student_id, updated_at)
    select
      u.id, 'todo ' || n, n % 3 = 0,
      case when n % 2 = 0 then timestamptz '2030-01-01Z' + n * interval '1 hour' end,
      case when n % 4 = 0 then s.id end, now() - n * interval '1 minute'
    from generate_series(1, 400) n, (select id from users order by id limit 50) u
      join lateral (select min(id) as id from students where owner_id = u.id) s on true;
  insert into keys (owner_id, name, scope, secret_hash)
    select u.id, 'x', 'read', sha256(n::text::bytea) from generate_series(1, 100) n, (select id from users order by id limit 50) u;
  insert into idempotency_keys (owner_id, route, key, request_hash, row_id, row_version, body, expires_at)
    select u.id, 'createTodo', 'key ' || n, sha256('x'), 1, 1, '{}', now() + (n - 50) * interval '1 minute'
    from generate_series(1, 100) n, (select id from users order by id limit 50) u;
  insert into deletions (owner_id, changed_in, kind, row_id)
    select u.id, n::text::xid8, 'todo', n from generate_series(1, 100) n, (select id from users order by id limit 50) u;
  update todos set changed_in = (id % 100)::text::xid8;
  update students set changed_in = (id % 100)::text::xid8;
  analyze;`;

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Cond"?: string;
  "Recheck Cond"?: string;
  Filter?: string;
  "Sort Key"?: string[];
  "CTE Name"?: string;
  Plans?: Plan[];
}

/** A plan's nodes. */
function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** The plan that PostgreSQL keeps for a statement. */
async function planOf(db: Database, { text, values }: Statement): Promise<Plan> {
  await db.script(`prepare kept as ${text}`);
  const given = values.map((value) =>
    value === null ? "null" : `'${String(value).replaceAll("'", "''")}'`
  );
  const execute = `execute kept${given.length > 0 ? ` (${given.join(", ")})` : ""}`;
  const [row] = await db.query<Json>(new Statement([`explain (format json) ${execute}`], []));
  await db.script("deallocate kept");
  const explained = row["QUERY PLAN"];
  return (typeof explained === "string" ? JSON.parse(explained) : explained)[0].Plan;
}

/** What costs the more the more rows a user has. */
function faultsOf(plan: Plan): string[] {
  const nodes = nodesOf(plan);
  const scans = nodes.filter((node) => node["Node Type"] === "Seq Scan" && node["Relation Name"]);
  const sorts = nodes.filter((node) =>
    /Sort$/.test(node["Node Type"]) && !node["Sort Key"]!.every((key) => few.test(key)) &&
    !isNarrow(node)
  );
  const parsed = nodes.filter((node) =>
    /search_query\(/.test(`${node.Filter} ${node["Recheck Cond"]}`)
  );
  return [
    ...parsed.map((node) => `parses the words again for each row of ${node["Relation Name"]}`),
    ...scans.map((node) => `reads all of ${node["Relation Name"]}`),
    ...sorts.map((node) => `sorts by ${node["Sort Key"]!.join(", ")}`),
  ];
}

/** The few rows of a page or a batch, put together in their order. */
const few = /^(numbered\.n|(items|faults|changed)(_\d)?\.n)$/;

/**
 * Whether what is sorted was chosen by more than its owner, such as by a student or by words, or is what
 * the statement itself has inserted.
 */
function isNarrow(sort: Plan): boolean {
  return nodesOf(sort).some((node) =>
    node["CTE Name"] === "inserted" ||
    node["Index Cond"]?.split(" AND ").some((condition) => !condition.includes("owner_id ="))
  );
}

async function observe() {
  const database = await createDatabase();
  const sent = await sendEveryQuery(database.db);
  const db = connectPatiently(database.settings, { session: true });
  await db.script(fill);
  await db.script("reset session_replication_role");
  await db.script("set plan_cache_mode = force_generic_plan");
  const empty = await db.query<{ name: string }>(sql`
    select relname as name from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and reltuples < 100`);
  return { database, db, sent, empty: empty.map(({ name }) => name) };
}

/**
 * The plan on filled tables. A table that `fill` does not know, such as one of your own, is small, and
 * a small one is read and sorted as a whole unless that is dear: an index that is there is taken then.
 */
async function planWhereLarge(db: Database, statement: Statement, empty: string[]) {
  const small = empty.some((table) => new RegExp(`\\b${table}\\b`).test(statement.text));
  const dear = ["enable_seqscan", "enable_sort", "enable_bitmapscan"];
  if (small) await db.script(dear.map((name) => `set ${name} = off`).join("; "));
  try {
    return await planOf(db, statement);
  } finally {
    await db.script(dear.map((name) => `reset ${name}`).join("; "));
  }
}

Deno.test("each statement: no table is read as a whole, and a page reads an index in its own order [24]", async (t) => {
  const { database, db, sent, empty } = await observe();
  try {
    for (const { file, name } of await findQueries()) {
      // All of it is asked for.
      if (name === "listAppliedVersions") continue;
      const own = new Map<string, Sent<Request>>();
      for (const one of sent) if (one.name === name) own.set(one.statement.text, one);
      await t.step(`${file}: ${name}`, async () => {
        assert(own.size > 0);
        for (const { statement, cause } of own.values()) {
          const faults = faultsOf(await planWhereLarge(db, statement, empty));
          assertEquals(faults, [], `${file}: ${name}: ${cause.target}: ${statement.text}`);
        }
      });
    }
    // Last, in the same tables: to fill them is most of what this test costs.
    await t.step(
      "a sort or a filter without an index is found [24]",
      () => withoutIndexes(db, sent),
    );
  } finally {
    await db.close();
    await database[Symbol.asyncDispose]();
  }
});

async function withoutIndexes(db: Database, sent: Sent<Request>[]) {
  await db.script(`
    drop index todos_updated_at_idx; drop index students_last_name_idx;
    drop index students_changed_in_idx;
    alter table students drop constraint students_pkey cascade;`);
  const faults = async (query: string, order?: string) => {
    const { statement } = sent.find(({ name, cause }) =>
      name === query && cause.query.sort === order
    )!;
    return faultsOf(await planOf(db, statement));
  };
  assertEquals(await faults("listTodos", "updated_at"), ["sorts by t.updated_at, t.id"]);
  assertEquals(await faults("listTodos", "due_date"), []);
  assertEquals(await faults("getStudent"), ["reads all of students"]);
}
