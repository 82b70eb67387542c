import { formatKey, newSecret } from "../../db/_secret.ts";
import { installKey } from "../../db/keys.ts";
import type { Database } from "../../postgres/mod.ts";

/** A user with a key. What it writes begins with its name, so that anybody's rows can be told. */
export interface Writer {
  name: string;
  token: string;
}

export async function createWriters(admin: Database, count: number): Promise<Writer[]> {
  return await Promise.all(Array.from({ length: count }, async (_, n) => {
    const name = `writer ${n}`;
    const { secret, hash } = newSecret();
    const email = `writer-${n}@example.com`;
    const [row] = await installKey(admin, { email, scope: "write", name, hash });
    return { name, token: formatKey("live", { ownerId: row!.owner_id, id: row!.id, secret }) };
  }));
}
