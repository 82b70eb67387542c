import { join } from "node:path";

/** The checkout that the tests belong to. */
export const root = join(import.meta.dirname!, "..", "..");

/**
 * The lock of the tests' own packages, which tests/npm/ names. They are not in deno.json and
 * deno.lock, because `deno task` fetches everything in these before it does anything: for the first
 * `deno task dev` that was twice as many packages.
 */
export const testLock = "--lock=tests/deno.lock";
