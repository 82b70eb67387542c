import { assert, assertEquals, assertMatch } from "@std/assert";
import { startEmbedded } from "../../embedded/mod.ts";
import { type Database, sql } from "../../postgres/mod.ts";
import { dbmateBinary } from "../apply/dbmate.ts";
import { root } from "../../tests/support/root.ts";
import { readSettings } from "../../settings.ts";
import { temporaryFolder } from "../../tests/support/owner.ts";
import { connectPatiently } from "../../tests/support/database.ts";

/** A checkout with .env made from .env.example, in which dbmate is typed by hand. */
async function copyCheckout(folder: string, port: number) {
  await Deno.mkdir(`${folder}/db/migrations`, { recursive: true });
  for await (const { name } of Deno.readDir(`${root}/db/migrations`)) {
    await Deno.copyFile(`${root}/db/migrations/${name}`, `${folder}/db/migrations/${name}`);
  }
  const example = await Deno.readTextFile(`${root}/.env.example`);
  // The port of .env.example may be in use on this machine, by a `deno task dev` for instance.
  await Deno.writeTextFile(`${folder}/.env`, example.replaceAll("15432", String(port)));
  return async (...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command(await dbmateBinary(), {
      args,
      cwd: folder,
      clearEnv: true,
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert(success, said);
    return said;
  };
}

async function applied(db: Database): Promise<string[]> {
  const rows = await db.query<{ version: string }>(
    sql`select version from schema_migrations order by version`,
  );
  return rows.map(({ version }) => version);
}

Deno.test("dbmate typed by hand works with .env copied from .env.example", async () => {
  await using folder = await temporaryFolder("slate-dbmate-");
  const server = await startEmbedded({ dataDir: `${folder.path}/data` });
  await Deno.symlink("data", `${folder.path}/.data`);
  const dbmate = await copyCheckout(folder.path, server.settings.port);
  const db = connectPatiently(server.settings);
  const files = Array.from(Deno.readDirSync(`${folder.path}/db/migrations`), ({ name }) => name);

  assertMatch(await dbmate("status"), new RegExp(`Pending: ${files.length}`));
  await dbmate("up");
  assertEquals((await applied(db)).length, files.length);

  const made = /Creating migration: (\S+)/.exec(await dbmate("new", "add_pets"))![1]!;
  const [name, ...others] = Array.from(Deno.readDirSync(`${folder.path}/db/migrations`))
    .filter((entry) => !files.includes(entry.name)).map((entry) => entry.name);
  assertEquals(others, []);
  assert(made.endsWith(name!));
  await Deno.writeTextFile(
    `${folder.path}/db/migrations/${name}`,
    "-- migrate:up\ncreate table pets (id int);\n-- migrate:down\ndrop table pets;\n",
  );
  assertMatch(await dbmate("status"), /Pending: 1/);
  await dbmate("up");
  await db.query(sql`select id from pets`);
  await dbmate("rollback");
  assertEquals((await applied(db)).length, files.length);
  assertMatch(await dbmate("status"), /Pending: 1/);
  const schema = await Deno.stat(`${folder.path}/db/schema.sql`).catch(() => undefined);
  assertEquals(schema, undefined);

  await db.close();
  await server.stop();
});

Deno.test(".env.example names each setting, with the default that it really has", async () => {
  const lines = (await Deno.readTextFile(`${root}/.env.example`)).split("\n");
  const settings = lines.map((line) => /^(?:# )?([A-Z_]+)=(.*)$/.exec(line)).filter((m) => !!m);
  const text = new Map(settings.map(([, name, value]) => [name!, value!]));
  const { database, environment, ...read } = readSettings({
    DATABASE_URL: "postgres://slate@127.0.0.1:15432/slate",
  });
  assertEquals(Number(text.get("PORT")), read.port);
  assertEquals(text.get("HOST"), read.host);
  assertEquals(text.get("SLATE_ENV"), environment);
  assertEquals(Number(text.get("POOL_SIZE")), read.poolSize);
  assertEquals(Number(text.get("REQUEST_DEADLINE_MS")), read.deadlineMs);
  assertEquals(Number(text.get("DRAIN_MS")), read.drainMs);
  assertEquals(Number(text.get("RATE_LIMIT")), read.rateLimit);
  assertEquals(database.host, "127.0.0.1");
  // Every example is a value that would be taken.
  const all = Object.fromEntries([...text].filter(([name]) => !/^(PGPASSFILE|DBMATE)/.test(name)));
  assertEquals(readSettings(all).corsOrigins, ["https://app.example.com"]);
});
