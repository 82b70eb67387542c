import { assertEquals } from "@std/assert";
import { caller } from "../../db/_caller.ts";
import { newSecret } from "../../db/_secret.ts";
import { installKey } from "../../db/keys.ts";
import { sql } from "../../postgres/mod.ts";
import { createDatabase } from "../support/database.ts";

Deno.test("refusing an unknown key is as much work as refusing a wrong or an expired one [33]", async () => {
  await using database = await createDatabase();
  const { db } = database;
  const key = { email: "ada@example.com", scope: "write" as const, name: "x" };
  const [good] = await installKey(db, { ...key, hash: newSecret().hash });
  const [ended] = await installKey(db, { ...key, hash: newSecret().hash });
  await db.query(sql`update keys set expires_at = now() where id = ${ended!.id}`);

  // By the server's own count, since any time depends on what else runs here: both digests are hashed
  // and compared for each of them once, also where there is no row to compare with.
  const { hash } = newSecret();
  const compared = async (ownerId: string, keyId: string) => {
    const [row] = await db.query<{ "QUERY PLAN": Plan[] }>(sql`
      explain (analyze, format json, timing off, summary off)
      with ${caller({ ownerId, keyId, hash }, "read")} select from caller`);
    return hashed(row!["QUERY PLAN"][0]!.Plan!);
  };
  const owner = good!.owner_id;
  for (
    const [who, id] of [[owner, good!.id], [owner, ended!.id], [owner, "999999"], [
      "999999",
      good!.id,
    ]]
  ) assertEquals(await compared(who!, id!), [1]);
});

/** A node of a plan, as EXPLAIN writes it. */
interface Plan {
  Plan?: Plan;
  Plans?: Plan[];
  Filter?: string;
  "Rows Removed by Filter"?: number;
}

/** How many rows each comparison of digests has refused. */
function hashed(plan: Plan): number[] {
  const own = plan.Filter?.includes("sha256") ? [plan["Rows Removed by Filter"] ?? 0] : [];
  return [...own, ...(plan.Plans ?? []).flatMap(hashed)];
}
