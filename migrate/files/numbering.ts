import { join } from "node:path";
import { exit, Failure } from "../command.ts";
import { migrationsDir } from "./migrations.ts";

/** A migration's name as a file can have it. Throws a Failure of wrong use. */
export function fileName(text: string): string {
  const name = text.trim().toLowerCase().replaceAll(/[\s-]+/g, "_");
  if (/^[a-z][a-z0-9_]*$/.test(name)) return name;
  throw new Failure(
    `"${text}" does not make a file's name: use letters, digits and underscores, such as add_students_email`,
    exit.usage,
  );
}

/**
 * Writes a new migration. It gets the current second as its number, or the next one that is free.
 * Returns the path.
 */
export async function writeMigration(name: string, text: string): Promise<string> {
  const dir = migrationsDir();
  await Deno.mkdir(dir, { recursive: true });
  const taken = new Set<string>();
  for await (const entry of Deno.readDir(dir)) taken.add(/^\d*/.exec(entry.name)![0]);
  const newest = [...taken].sort().at(-1) ?? "";
  let time = Date.now();
  const number = () => new Date(time).toISOString().replaceAll(/\D/g, "").slice(0, 14);
  while (taken.has(number())) time += 1000;
  // After what is there already, also where a clock runs ahead or numbers are of another kind.
  const version = number() > newest
    ? number()
    : String(BigInt(newest) + 1n).padStart(newest.length, "0");
  const path = join(dir, `${version}_${name}.sql`);
  await Deno.writeTextFile(path, text, { createNew: true });
  return path;
}
