import { dirname } from "node:path";

/** The checkout that the tasks belong to. */
export const root = dirname(import.meta.dirname!);
