// The same work in Fastify with pg, as their documentation writes it.
import { createHash } from "node:crypto";
import process from "node:process";
import Fastify from "fastify";
import pg from "pg";

// A version and an id are numbers on the wire.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.POOL_SIZE) });
const fastify = Fastify();

const columns = "id, description, completed, due_date, student_id, created_at, updated_at, version";

const row = {
  type: "object",
  properties: {
    id: { type: "integer" },
    description: { type: "string" },
    completed: { type: "boolean" },
    due_date: { type: "string", format: "date-time", nullable: true },
    student_id: { type: "integer", nullable: true },
    created_at: { type: "string", format: "date-time" },
    updated_at: { type: "string", format: "date-time" },
    version: { type: "integer" },
  },
};
const page = {
  type: "object",
  properties: {
    data: { type: "array", items: row },
    next_cursor: { type: "string", nullable: true },
  },
};
const params = {
  type: "object",
  properties: { id: { type: "integer", minimum: 1 } },
};
const fields = {
  type: "object",
  additionalProperties: false,
  properties: {
    description: { type: "string", minLength: 1, maxLength: 10000 },
    completed: { type: "boolean" },
    due_date: { type: "string", format: "date-time", nullable: true },
    student_id: { type: "integer", nullable: true },
  },
};

fastify.decorateRequest("owner", null);

fastify.addHook("onRequest", async (request, reply) => {
  const [, owner, id, secret] =
    /^Bearer slate_bench_(\d+)_(\d+)_([\w-]{43})$/.exec(request.headers.authorization ?? "") ?? [];
  if (!id) return reply.code(401).send({ error: "unauthorized" });
  const hash = createHash("sha256").update(secret).digest();
  const { rows: [key] } = await pool.query({
    name: "key",
    text: `select owner_id, scope from keys
      where owner_id = $1 and id = $2 and secret_hash = $3
        and (expires_at is null or expires_at > now())`,
    values: [owner, id, hash],
  });
  if (!key || key.scope === "read" && request.method !== "GET") {
    return reply.code(401).send({ error: "unauthorized" });
  }
  request.owner = key.owner_id;
});

function send(reply, row, status = 200) {
  if (!row) return reply.code(404).send({ error: "not found" });
  return reply.code(status).header("etag", `"${row.version}"`).send(row);
}

fastify.get(
  "/api/todos/:id",
  { schema: { params, response: { 200: row } } },
  async (request, reply) => {
    const { rows } = await pool.query({
      name: "get",
      text: `select ${columns} from todos where id = $1 and owner_id = $2`,
      values: [request.params.id, request.owner],
    });
    return send(reply, rows[0]);
  },
);

const query = {
  type: "object",
  properties: {
    limit: { type: "integer", minimum: 1, maximum: 100, default: 20 },
    cursor: { type: "string" },
    completed: { type: "boolean" },
  },
};

fastify.get(
  "/api/todos",
  { schema: { querystring: query, response: { 200: page } } },
  async (request) => {
    const { limit, cursor, completed } = request.query;
    const after = cursor ? Number(Buffer.from(cursor, "base64url").toString()) : 0;
    const filter = completed === undefined ? "" : completed ? "and completed" : "and not completed";
    const { rows } = await pool.query({
      name: `list ${filter}`,
      text: `select ${columns} from todos
      where owner_id = $1 and id > $2 ${filter} order by id limit $3`,
      values: [request.owner, after, limit + 1],
    });
    const more = rows.length > limit;
    if (more) rows.pop();
    const next = more ? Buffer.from(String(rows.at(-1).id)).toString("base64url") : null;
    return { data: rows, next_cursor: next };
  },
);

fastify.post(
  "/api/todos",
  { schema: { body: { ...fields, required: ["description"] }, response: { 201: row } } },
  async (request, reply) => {
    const { description, completed = false, due_date = null, student_id = null } = request.body;
    const { rows } = await pool.query({
      name: "create",
      text: `insert into todos (owner_id, description, completed, due_date, student_id)
        values ($1, $2, $3, $4, $5) returning ${columns}`,
      values: [request.owner, description, completed, due_date, student_id],
    });
    reply.header("location", `/api/todos/${rows[0].id}`);
    return send(reply, rows[0], 201);
  },
);

fastify.patch(
  "/api/todos/:id",
  { schema: { params, body: fields, response: { 200: row } } },
  async (request, reply) => {
    const names = Object.keys(request.body);
    const values = [request.params.id, request.owner, ...Object.values(request.body)];
    const expected = /^"(\d+)"$/.exec(request.headers["if-match"] ?? "")?.[1];
    if (expected) values.push(expected);
    const set = names.map((name, i) => `${name} = $${i + 3}`).join(", ");
    const precondition = expected ? `and version = $${values.length}` : "";
    const { rows } = await pool.query({
      name: `update ${set} ${precondition}`,
      text: `update todos set ${set} where id = $1 and owner_id = $2 ${precondition}
        returning ${columns}`,
      values,
    });
    if (rows.length === 0 && expected) {
      const found = await pool.query(
        "select from todos where id = $1 and owner_id = $2",
        values.slice(0, 2),
      );
      if (found.rowCount > 0) return reply.code(412).send({ error: "precondition failed" });
    }
    return send(reply, rows[0]);
  },
);

await fastify.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
