// The same work in Hono with postgres.js on Deno, written the ordinary way.
import { createHash } from "node:crypto";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { validator } from "hono/validator";
import postgres from "postgres";
import { z } from "zod";

const sql = postgres(Deno.env.get("DATABASE_URL")!, {
  max: Number(Deno.env.get("POOL_SIZE")),
  // A version and an id are numbers on the wire.
  types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
});
const app = new Hono<{ Variables: { owner: number } }>();

const columns = sql`
  id, description, completed, due_date, student_id, created_at, updated_at, version`;

const fields = z.strictObject({
  description: z.string().min(1).max(10_000),
  completed: z.boolean(),
  due_date: z.iso.datetime({ offset: true }).nullable(),
  student_id: z.int().positive().nullable(),
}).partial();
const page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().optional(),
  completed: z.enum(["true", "false"]).optional(),
});

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const { success, data } = schema.safeParse(value);
  if (!success) throw new HTTPException(422);
  return data;
}

app.use(async (c, next) => {
  const [, owner, id, secret] =
    /^Bearer slate_bench_(\d+)_(\d+)_([\w-]{43})$/.exec(c.req.header("authorization") ?? "") ?? [];
  if (!id) throw new HTTPException(401);
  const hash = createHash("sha256").update(secret!).digest();
  const [key] = await sql`
    select owner_id, scope from keys
    where owner_id = ${owner!} and id = ${id} and secret_hash = ${hash}
      and (expires_at is null or expires_at > now())`;
  if (!key || key.scope === "read" && c.req.method !== "GET") throw new HTTPException(401);
  c.set("owner", key.owner_id);
  await next();
});

app.get("/api/todos/:id{\\d+}", async (c) => {
  const [row] = await sql`
    select ${columns} from todos where id = ${c.req.param("id")} and owner_id = ${c.var.owner}`;
  if (!row) throw new HTTPException(404);
  return c.json(row, 200, { etag: `"${row.version}"` });
});

app.get("/api/todos", validator("query", (value) => checked(page, value)), async (c) => {
  const { limit, cursor, completed } = c.req.valid("query");
  const after = cursor ? Number(atob(cursor)) : 0;
  const filter = completed === undefined
    ? sql``
    : completed === "true"
    ? sql`and completed`
    : sql`and not completed`;
  const rows = await sql`
    select ${columns} from todos
    where owner_id = ${c.var.owner} and id > ${after} ${filter}
    order by id limit ${limit + 1}`;
  const next_cursor = rows.length > limit ? btoa(String(rows[limit - 1]!.id)) : null;
  return c.json({ data: rows.slice(0, limit), next_cursor });
});

app.post("/api/todos", validator("json", (value) => checked(fields, value)), async (c) => {
  const { description, completed = false, due_date = null, student_id = null } = c.req.valid(
    "json",
  );
  if (description === undefined) throw new HTTPException(422);
  const todo = { owner_id: c.var.owner, description, completed, due_date, student_id };
  const [row] = await sql`insert into todos ${sql(todo)} returning ${columns}`;
  return c.json(row, 201, { etag: `"${row!.version}"`, location: `/api/todos/${row!.id}` });
});

app.patch(
  "/api/todos/:id{\\d+}",
  validator("json", (value) => checked(fields, value)),
  async (c) => {
    const id = c.req.param("id");
    const version = /^"(\d+)"$/.exec(c.req.header("if-match") ?? "")?.[1];
    const [row] = await sql`
    update todos set ${sql(c.req.valid("json"))}
    where id = ${id} and owner_id = ${c.var.owner}
      ${version ? sql`and version = ${version}` : sql``}
    returning ${columns}`;
    if (!row && version) {
      const found = await sql`select from todos where id = ${id} and owner_id = ${c.var.owner}`;
      if (found.length > 0) throw new HTTPException(412);
    }
    if (!row) throw new HTTPException(404);
    return c.json(row, 200, { etag: `"${row.version}"` });
  },
);

Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")) }, app.fetch);
