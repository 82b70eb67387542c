import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { scopes } from "../db/_caller.ts";
import { formatKey, newSecret } from "../db/_secret.ts";
import { createKey, deleteKey, keySorts, listKeys, rotateKey } from "../db/keys.ts";
import { keepDevKey } from "./_dev_key.ts";
import { creation, deletion, ItemParams, listing } from "./_crud.ts";
import { id, instant, pageOf, rowFields, text, timestamp, whole } from "./_fields.ts";
import type { Variables } from "./_step.ts";
import { chooseDatabase, type Deps, router } from "./_operation.ts";
import { pageQuery, pageReply, pageRequest } from "./_page.ts";
import { createdReply, deletedReply, idempotency, precondition } from "./_reply.ts";

const fields = {
  name: text(100).openapi({ example: "laptop" }),
  scope: z.enum(scopes).openapi({ description: "Each scope includes the ones before it." }),
};

export const Key = z.strictObject({
  id,
  ...fields,
  expires_at: timestamp.nullable(),
  ...rowFields,
}).openapi("Key");

const CreatedKey = z.strictObject({
  key: z.string().nullable().openapi({
    description:
      "The API key itself. It is shown only now and not kept, so a replayed answer has null.",
  }),
  ...Key.shape,
}).openapi("CreatedKey");

const NewKey = z.strictObject({
  ...fields,
  expires_at: instant.nullable().default(null).openapi({
    description: "When the key expires; null for never.",
  }),
}).openapi("NewKey");

const dayInSeconds = 24 * 60 * 60;

const KeyRotation = z.strictObject({
  overlap_seconds: whole(0, dayInSeconds).default(0)
    .openapi({ description: "For how many seconds the old key still works." }),
}).openapi("KeyRotation");

/** Puts the key in front of its row's JSON. PostgreSQL never sees the secret, so it is added here. */
function withKey({ environment }: Deps, c: Context<{ Variables: Variables }>, secret: string) {
  return (body: string, id: string, replayed: boolean) => {
    // Proven by the statement whose answer this is.
    const ownerId = c.get("callerId")!;
    const key = replayed ? null : formatKey(environment, { ownerId, id, secret });
    return `{"key":${JSON.stringify(key)},${body.slice(1)}`;
  };
}

export function keyRoutes(deps: Deps) {
  const { db } = deps;
  const rotation = creation(deps, { body: KeyRotation, row: CreatedKey }, {
    optional: true,
    problems: ["not_found"],
  });
  return router("Keys")
    .openapi({
      ...listing(deps, { query: pageQuery(keySorts), page: pageOf("Key", Key) }),
      path: "/api/keys",
      operationId: "listKeys",
      summary: "List your keys",
    }, async (c) => {
      const { request, list } = pageRequest(c.req.path, c.req.valid("query"), keySorts);
      const from = chooseDatabase(c, deps);
      return pageReply(c, await listKeys(from, c.get("credential"), request), list);
    })
    .openapi({
      ...creation(deps, { body: NewKey, row: CreatedKey }),
      path: "/api/keys",
      operationId: "createKey",
      summary: "Create a key",
      description:
        "The key is yours. Only an admin key creates an admin key, and no key one that ends later than itself: `expires_at` says when.",
    }, async (c) => {
      const credential = c.get("credential");
      const { secret, hash } = newSecret();
      const once = idempotency(c, "createKey");
      const rows = await createKey(db, credential, c.req.valid("json"), hash, once);
      return createdReply(c, rows, "/api/keys", withKey(deps, c, secret));
    })
    .openapi({
      ...rotation,
      request: { ...rotation.request, params: ItemParams },
      path: "/api/keys/{id}/rotate",
      operationId: "rotateKey",
      summary: "Replace a key",
      description:
        "The new key has the same name, scope and lifetime, and ends no later than the key that asks. The old one works until the overlap ends; it is replaced once.",
    }, async (c) => {
      const credential = c.get("credential");
      const { secret, hash } = newSecret();
      const { id } = c.req.valid("param");
      keepDevKey(deps, "keyId", id);
      const { overlap_seconds } = c.req.valid("json");
      const once = idempotency(c, `rotateKey/${id}`);
      const rows = await rotateKey(db, credential, id, overlap_seconds, hash, once);
      return createdReply(c, rows, "/api/keys", withKey(deps, c, secret));
    })
    .openapi({
      ...deletion(deps),
      path: "/api/keys/{id}",
      operationId: "deleteKey",
      summary: "Revoke a key",
      description: "Revocation is immediate.",
    }, async (c) => {
      const { id } = c.req.valid("param");
      keepDevKey(deps, "keyId", id);
      return deletedReply(c, await deleteKey(db, c.get("credential"), id, precondition(c)));
    });
}
