/** The name of the key by which `deno task dev` lets in requests without one. */
export const devKeyName = "deno task dev";
