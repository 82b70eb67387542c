import { createHash, randomBytes } from "node:crypto";
import type { KeyCredential } from "./_caller.ts";

/** `slate_<environment>_<owner>_<id>_<secret>`: a scanner finds a leaked one, the ids find its row. */
const keyPattern = /^slate_([a-z]{1,16})_([1-9]\d{0,15})_([1-9]\d{0,15})_([A-Za-z0-9_-]{43})$/;

/** A new secret of 256 random bits, and the digest that is kept of it. */
export function newSecret(): { secret: string; hash: string } {
  const secret = randomBytes(32).toString("base64url");
  return { secret, hash: digest(secret) };
}

/** The key that a caller is given. */
export function formatKey(
  environment: string,
  { ownerId, id, secret }: { ownerId: string; id: string; secret: string },
): string {
  return `slate_${environment}_${ownerId}_${id}_${secret}`;
}

/** What a key says; undefined for one that is malformed or of another environment. */
export function parseKey(text: string, environment: string): KeyCredential | undefined {
  const [, env, ownerId, keyId, secret] = keyPattern.exec(text) ?? [];
  if (env !== environment) return undefined;
  return { ownerId: ownerId!, keyId: keyId!, hash: digest(secret!) };
}

/** SHA-256 in hexadecimal. */
export function digest(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
