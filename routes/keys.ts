import { createRoute, z } from "@hono/zod-openapi";
import { scopes } from "../db/_caller.ts";
import { formatKey, newSecret } from "../db/_secret.ts";
import { createKey, deleteKey, keySorts, listKeys, rotateKey } from "../db/keys.ts";
import { id, instant, rowFields, text, timestamp } from "./_fields.ts";
import {
  createdReplyOf,
  deleted,
  type Deps,
  IdempotencyKey,
  ItemParams,
  jsonBodyOf,
  NoQuery,
  pageReplyOf,
  router,
  secured,
} from "./_operation.ts";
import { pageQuery, pageReply, pageRequest } from "./_page.ts";
import { createdReply, deletedReply, idempotency } from "./_reply.ts";

const fields = {
  name: text(100).openapi({ example: "laptop" }),
  scope: z.enum(scopes).openapi({ description: "Each holds the ones before it." }),
};

export const Key = z.strictObject({
  id,
  ...fields,
  expires_at: timestamp.nullable(),
  ...rowFields,
}).openapi("Key");

const CreatedKey = z.strictObject({
  key: z.string().nullable().openapi({
    description: "The key itself, shown this once. Null in a replayed answer: it is not kept.",
  }),
  ...Key.shape,
}).openapi("CreatedKey");

const NewKey = z.strictObject({
  ...fields,
  expires_at: instant.nullable().default(null).openapi({ description: "Null: never." }),
}).openapi("NewKey");

const dayInSeconds = 24 * 60 * 60;

const KeyRotation = z.strictObject({
  overlap_seconds: z.int("must be a whole number")
    .min(0, `must be 0 to ${dayInSeconds}`).max(dayInSeconds, `must be 0 to ${dayInSeconds}`)
    .default(0)
    .openapi({ description: "How long the old key goes on." }),
}).openapi("KeyRotation");

/** Puts the key in front of its row's JSON. PostgreSQL never sees the secret, so it is added here. */
function withKey(deps: Deps, secret: string) {
  return (body: string, id: string, replayed: boolean) => {
    const key = replayed ? null : formatKey(deps.environment, id, secret);
    return `{"key":${JSON.stringify(key)},${body.slice(1)}`;
  };
}

export function keyRoutes(deps: Deps) {
  const { db } = deps;
  const tag = "Keys";
  const list = secured(deps, "read", { tag, problems: ["invalid_cursor"] });
  const add = secured(deps, "write", { tag, body: {}, problems: ["idempotency_key_reused"] });
  const rotate = secured(deps, "write", {
    tag,
    body: { optional: true },
    problems: ["not_found", "idempotency_key_reused"],
  });
  const remove = secured(deps, "write", { tag, problems: ["not_found"] });

  return router()
    .openapi(
      createRoute({
        ...list.shared,
        method: "get",
        path: "/api/keys",
        operationId: "listKeys",
        summary: "List your keys",
        request: { query: z.strictObject(pageQuery(keySorts)) },
        responses: {
          200: pageReplyOf("KeyPage", Key),
          ...list.problems,
        },
      }),
      async (c) => {
        const { request, asked } = pageRequest(c.req.valid("query"), keySorts);
        return pageReply(c, await listKeys(db, c.get("key"), request), asked);
      },
    )
    .openapi(
      createRoute({
        ...add.shared,
        method: "post",
        path: "/api/keys",
        operationId: "createKey",
        summary: "Create a key",
        description: "For yourself. A key of the scope admin needs one to make it.",
        request: {
          query: NoQuery,
          headers: IdempotencyKey,
          body: jsonBodyOf(NewKey),
        },
        responses: {
          201: createdReplyOf(CreatedKey),
          ...add.problems,
        },
      }),
      async (c) => {
        const { secret, hash } = newSecret();
        const once = idempotency(c, "createKey");
        const rows = await createKey(db, c.get("key"), c.req.valid("json"), hash, once);
        return createdReply(c, rows, "/api/keys", withKey(deps, secret));
      },
    )
    .openapi(
      createRoute({
        ...rotate.shared,
        method: "post",
        path: "/api/keys/{id}/rotate",
        operationId: "rotateKey",
        summary: "Replace a key",
        description:
          "The new key has the same name, scope and lifetime. The old one ends after the overlap.",
        request: {
          params: ItemParams,
          query: NoQuery,
          headers: IdempotencyKey,
          body: jsonBodyOf(KeyRotation, false),
        },
        responses: {
          201: createdReplyOf(CreatedKey),
          ...rotate.problems,
        },
      }),
      async (c) => {
        const { secret, hash } = newSecret();
        const { id } = c.req.valid("param");
        const { overlap_seconds } = c.req.valid("json");
        const once = idempotency(c, `rotateKey/${id}`);
        const rows = await rotateKey(db, c.get("key"), id, overlap_seconds, hash, once);
        return createdReply(c, rows, "/api/keys", withKey(deps, secret));
      },
    )
    .openapi(
      createRoute({
        ...remove.shared,
        method: "delete",
        path: "/api/keys/{id}",
        operationId: "deleteKey",
        summary: "Revoke a key",
        description: "It fails at once.",
        request: { params: ItemParams, query: NoQuery },
        responses: { 204: deleted, ...remove.problems },
      }),
      async (c) => deletedReply(c, await deleteKey(db, c.get("key"), c.req.valid("param").id)),
    );
}
