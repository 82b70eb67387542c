import { assert } from "@std/assert";
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

  // In the server, many times in a row, the fastest row of all: the network and other processes
  // would hide what is looked for.
  const { texts } = caller({ ownerId: "", keyId: "", hash: "" }, "read");
  const names = ["of_owner", "of_id", "of_hash"];
  const text = texts.map((part, i) => part + (names[i] ?? "")).join("");
  await db.script(`
    create function refusal(of_owner bigint, of_id bigint, of_hash text) returns float
    language plpgsql as $$
    declare
      fastest float := 'infinity';
      begun timestamptz;
    begin
      for row in 1..60 loop
        begun := clock_timestamp();
        for i in 1..100 loop
          perform from (with ${text} select from caller) refused;
        end loop;
        fastest := least(fastest, extract(epoch from clock_timestamp() - begun) * 10000);
      end loop;
      return fastest;
    end $$`);
  const { hash } = newSecret();
  const microseconds = async (owner: string, id: string) => {
    const rows = await db.query<{ took: number }>(sql`
      select refusal(${owner}::bigint, ${id}::bigint, ${hash}) as took`);
    return Number(rows[0]!.took);
  };
  const owner = good!.owner_id;
  const wrong = await microseconds(owner, good!.id);
  for (const [who, id] of [[owner, ended!.id], [owner, "999999"], ["999999", good!.id]]) {
    const took = await microseconds(who!, id!);
    // Where only the one was hashed, it took 70 of 100 parts.
    assert(took > 0.85 * wrong && took < wrong / 0.85, `${took} and ${wrong} µs`);
  }
});
