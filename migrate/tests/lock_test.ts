import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { sql, Unreachable } from "../../postgres/mod.ts";
import { readApplied } from "../apply/ledger.ts";
import { type Lock, requireSession, takeLock } from "../apply/lock.ts";
import { Failure } from "../command.ts";
import { until } from "../../tests/support/pool.ts";
import { createPooler } from "../../tests/support/pooler.ts";
import { openProxy } from "../../tests/support/proxy.ts";
import { administer, connectPatiently } from "../../tests/support/database.ts";
import { migration, outcome } from "../../tests/support/command.ts";
import {
  createProject,
  type Project,
  untilFound,
  waitForGate,
} from "../../tests/support/project.ts";

const outside = " transaction:false";
const files = {
  "001_a.sql": migration("create table a (b int);", "drop table a;"),
  // No `if not exists` and no unique key: whoever runs it twice is seen.
  "002_rows.sql": migration(
    "insert into a select 1 from pg_sleep(0.05);",
    "delete from a;",
    outside,
  ),
  "003_index.sql": migration("create index concurrently a_b on a (b);", "drop index a_b;", outside),
  "004_b.sql": migration("create table c ();", "drop table c;"),
};
const versions = ["001", "002", "003", "004"];

async function rows({ db }: Project): Promise<number> {
  return (await db.query(sql`select from a`)).length;
}

Deno.test("H1: of eight dbmates at once seven fail, and work outside a transaction is done eight times", async () => {
  await using project = await createProject({
    // Begun by all before any of them ends.
    "001_rows.sql": migration(
      waitForGate.replace("end $$", () => "insert into a values (1);\nend $$"),
      "delete from a;",
      outside,
    ),
  });
  await project.db.script(
    "create table a (b int); create table gate (); create table schema_migrations (version varchar primary key)",
  );
  const running = Array.from({ length: 8 }, () => project.dbmate("migrate"));
  await untilFound(() =>
    project.db.query(sql`
      select from pg_stat_activity where query like '%from gate%' and state = 'active'
        and datname = current_database() and pid <> pg_backend_pid() having count(*) = 8
    `)
  );
  await project.db.script("insert into gate default values");
  const codes = (await Promise.all(running)).map(({ code }) => code);
  assertEquals(codes.toSorted(), [0, 2, 2, 2, 2, 2, 2, 2]);
  assertEquals(await rows(project), 8);
});

/** A few by default; `deno task test:lock` runs twenty, which take half a minute. */
const rounds = Number(Deno.env.get("LOCK_ROUNDS") ?? 3);

Deno.test(`H1: eight ups at once, ${rounds} times over: all exit 0, and each migration ran exactly once`, async () => {
  await using project = await createProject(files);
  for (let round = 1; round <= rounds; round++) {
    const results = await Promise.all(Array.from({ length: 8 }, () => project.run("up")));
    assertEquals(results.map(({ code }) => code), Array(8).fill(0), JSON.stringify(results));
    assertEquals(results.flatMap(({ stdout }) => stdout.match(/^applied/gm) ?? []).length, 4);
    assertEquals([await readApplied(project.db), await rows(project)], [versions, 1]);
    await project.db.script("drop table a, c; truncate schema_migrations, migration_ledger");
  }
});

Deno.test("a run that gets no turn in time exits 4 and says who has it", async () => {
  await using project = await createProject(files);
  const { signal } = new AbortController();
  await using _lock = await takeLock(project.settings, { timeoutMs: 0, signal, progress() {} });
  const { code, stderr } = await project.run("up", "--timeout", "1");
  assertEquals(code, 4);
  assertStringIncludes(
    stderr,
    "another run still holds the migration lock after 1 s (server process",
  );
  assertEquals(await readApplied(project.db), []);
});

Deno.test("a run that waits for its turn ends with 143 at a SIGTERM, and leaves no session", async () => {
  await using project = await createProject(files);
  const { signal } = new AbortController();
  await using _lock = await takeLock(project.settings, { timeoutMs: 0, signal, progress() {} });
  const waiting = project.start("up");
  await sessions(project, "migrate lock", 2);
  waiting.kill("SIGTERM");
  const { code } = outcome(await waiting.output());
  assertEquals(code, 143);
  await sessions(project, "migrate lock", 1);
});

/** Waits until there are so many sessions of that name in the project's database. */
async function sessions(project: Project, name: string, count: number) {
  await untilFound(() =>
    project.db.query(sql`
      select from pg_stat_activity where application_name = ${name}
        and datname = current_database()
      having count(*) = ${count}
    `)
  );
}

Deno.test("a run whose lock is taken from it stops dbmate and exits 4", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a ();\nselect pg_sleep(600);", "drop table a;"),
  });
  const running = project.start("up");
  await sessions(project, "migrate lock", 1);
  await untilFound(() =>
    project.db.query(sql`
      select from pg_stat_activity
      where query like '%pg_sleep(600)%' and datname = current_database()
        and pid <> pg_backend_pid()
    `)
  );
  await project.db.query(sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'migrate lock' and datname = current_database()
  `);
  const { code, stderr } = outcome(await running.output());
  assertEquals(code, 4);
  assertStringIncludes(stderr, "lost the connection that holds the migration lock");
  assertEquals(await readApplied(project.db), []);
});

Deno.test("H28: behind a pooler in transaction mode a session's lock protects nobody; up notices and runs nothing", async () => {
  await using project = await createProject(files);
  await using pooler = createPooler(project.settings);
  const pooled = { ...project.settings, port: pooler.port };
  // Two sessions that share the server's one: both get the lock.
  await using first = session(pooled);
  await using second = session(pooled);
  const take = sql`select pg_try_advisory_lock(1, 2) as locked`;
  assertEquals(await first.db.query(take), [{ locked: true }]);
  assertEquals(await second.db.query(take), [{ locked: true }]);

  for (const size of [1, 3]) {
    await using other = createPooler(project.settings, { size });
    const { code, stderr } = await project.runAt({ ...project.settings, port: other.port }, "up");
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "behind a pooler in transaction mode");
    assertEquals(await readApplied(project.db), []);
  }
});

Deno.test("H28: a pooler in transaction mode that happens to give two sessions their servers once more is noticed all the same", async () => {
  await using project = await createProject({});
  const deal = (nth: number) => [0, 1, 1, 0][nth] ?? 0;
  await using pooler = createPooler(project.settings, { size: 2, deal });
  const { message } = await assertRejects(
    () => requireSession({ ...project.settings, port: pooler.port }),
    Failure,
  );
  assertStringIncludes(message, "behind a pooler in transaction mode");
});

Deno.test("who waits for the lock goes on waiting where its connection broke, and blames no pooler", async () => {
  await using project = await createProject({});
  const { settings, db } = project;
  const { signal } = new AbortController();
  let looks = 0;
  const progress = () => {
    if (++looks > 1) return;
    db.query(sql`
      select pg_terminate_backend(pid) from pg_stat_activity a
      where application_name = 'migrate lock' and datname = current_database()
        and not exists (select from pg_locks l where l.pid = a.pid and locktype = 'advisory')
    `);
  };
  const take = async (): Promise<Lock> => {
    looks = 0;
    try {
      return await takeLock(settings, { timeoutMs: 600_000, signal, progress });
    } catch (error) {
      // On a busy machine it may come in the middle of a look, which is told that the server is gone.
      if (error instanceof Unreachable) return take();
      throw error;
    }
  };
  const held = await take();
  const next = take();
  await Promise.race([next, until(() => looks > 2)]);
  await held[Symbol.asyncDispose]();
  await (await next)[Symbol.asyncDispose]();
});

function session(settings: Project["settings"]) {
  const db = connectPatiently(settings, { size: 1 });
  return { db, [Symbol.asyncDispose]: () => db.close() };
}

Deno.test("up waits for a server that is still starting, with --wait, and says so without", async () => {
  await using project = await createProject(files);
  await using late = openProxy(project.settings);
  late.limit(0, "cut");
  const hasty = await project.runAt(late.settings, "up");
  assertEquals(hasty.code, 3);
  assertStringIncludes(hasty.stderr, "cannot be reached");
  const before = late.accepted;
  const patient = project.runAt(late.settings, "up", "--wait", "--timeout", "600");
  await until(() => late.accepted >= before + 2);
  late.heal();
  const { code, stderr } = await patient;
  assertEquals(code, 0, stderr);
  assertEquals(await readApplied(project.db), versions);
});

Deno.test("up: a role that may not create anything, or not write the records, is told so with exit code 3, and nothing is half done", async () => {
  await using project = await createProject(files);
  const role = `reader_${crypto.randomUUID().replaceAll("-", "")}`;
  await administer(project.settings, `create role ${role} login password 'secret'`);
  try {
    const settings = { ...project.settings, user: role, password: "secret" };
    const { code, stderr } = await project.runAt(settings, "up");
    assertEquals(code, 3);
    assertStringIncludes(stderr, `lets ${role} create nothing in the schema public`);
    assertEquals(await readApplied(project.db), []);

    await project.run("up", "001");
    await project.db.script(`grant create on schema public to ${role}`);
    const stranger = await project.runAt(settings, "up");
    assertEquals(stranger.code, 3);
    assertStringIncludes(stranger.stderr, `does not let ${role} write `);
    assertEquals(await readApplied(project.db), ["001"]);
    await project.db.script(`revoke create on schema public from ${role}`);
  } finally {
    await administer(project.settings, `drop role ${role}`);
  }
});
