import { z } from "@hono/zod-openapi";
import { digest } from "../db/_secret.ts";
import { kinds, listChanges, type Place } from "../db/changes.ts";
import { permit } from "./_auth.ts";
import { id } from "./_fields.ts";
import { type Deps, jsonReply, router, secured } from "./_operation.ts";
import { decodeCursor, encodeCursor, invalidCursor, pageQuery } from "./_page.ts";
import { Problem } from "./_problem.ts";
import { passThrough } from "./_reply.ts";
import { student } from "./students.ts";
import { todo } from "./todos.ts";

function changeOf<Kind extends string, Row extends z.ZodType>(kind: Kind, noun: string, row: Row) {
  return z.strictObject({
    kind: z.literal(kind),
    id,
    deleted: z.boolean().openapi({ description: "The row is gone; `row` is null." }),
    row: z.union([row, z.null()]),
  }).openapi(`Changed${noun}`);
}

const Changes = z.strictObject({
  data: z.array(z.union([
    changeOf("student", "Student", student.row),
    changeOf("todo", "Todo", todo.row),
  ])),
  next_cursor: z.string().openapi({ description: "Where to go on from, now or later." }),
  more: z.boolean().openapi({ description: "There is more to be read at once." }),
}).openapi("Changes");

const { limit, cursor } = pageQuery({});

/** Where a reader is: the place in which history, and when it had seen everything. */
interface Position {
  place: Place;
  history?: string;
  since: string | null;
}

const beginning: Position = { place: { transaction: "0", kind: "", id: "0" }, since: null };
const number = /^(0|[1-9]\d{0,17})$/;

const foreign = "Take `next_cursor` of your own changes.";

/** Throws 400 for a cursor that is malformed. Whose it is shows with the page. */
function positionOf(cursor: string): Position & { of: unknown } {
  const parts = decodeCursor(cursor);
  const [of, history, transaction, kind, id, since] = parts;
  const good = parts.length === 6 &&
    [transaction, id].every((part) => typeof part === "string" && number.test(part)) &&
    (kind === "" || kinds.some((one) => one === kind)) && typeof history === "string" &&
    // PostgreSQL has no year 0.
    z.iso.datetime({ precision: 6 }).safeParse(since).success && !`${since}`.startsWith("0000");
  if (!good) throw invalidCursor(foreign);
  return { of, history, place: { transaction, kind, id } as Place, since: since as string };
}

export function changeRoutes(deps: Deps) {
  return router("Changes").openapi({
    ...secured(deps, "read", { problems: ["invalid_cursor", "cursor_expired"] }),
    method: "get",
    path: "/api/changes",
    operationId: "listChanges",
    summary: "List what has changed",
    description:
      "Your todos and students that were created or changed after a cursor, as they are now, and the ids of those that were deleted. Without a cursor: all of them. No change is ever missed. A row may come more than once: the last one counts. A change is shown once every transaction that began before it has ended. Deletions are kept for 30 days: an older cursor is 410. Then drop your copy, and begin again without a cursor.",
    request: {
      query: z.strictObject({
        limit,
        cursor: cursor.openapi({ description: "`next_cursor` of the page before." }),
      }),
    },
    responses: { 200: jsonReply("What has changed, the oldest first.", Changes) },
  }, async (c) => {
    const { limit = "20", cursor } = c.req.valid("query");
    const credential = c.get("credential");
    const from = cursor === undefined ? undefined : positionOf(cursor);
    const { place, history, since } = from ?? beginning;
    const page = permit(c, await listChanges(deps.db, credential, place, since, Number(limit)));
    const context = digest(JSON.stringify([c.req.path, page.caller_id])).slice(0, 32);
    if (from && from.of !== context) throw invalidCursor(foreign);
    if (page.expired || history !== undefined && history !== page.history) {
      throw new Problem("cursor_expired", "Drop your copy, and begin without a cursor.");
    }
    const { data, more, read_at, last_transaction, last_kind, last_id } = page;
    const next = encodeCursor([
      context,
      page.history,
      last_transaction ?? place.transaction,
      last_kind ?? place.kind,
      last_id ?? place.id,
      // With more after this page the reader has not seen everything yet.
      more ? since ?? read_at : read_at,
    ]);
    return passThrough(c, `{"data":${data},"next_cursor":"${next}","more":${more}}`, 200);
  });
}
