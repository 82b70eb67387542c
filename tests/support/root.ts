import { join } from "node:path";

/** The checkout that the tests belong to. */
export const root = join(import.meta.dirname!, "..", "..");
