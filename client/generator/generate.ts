/**
 * `deno task client`: writes the client's types from openapi.json, to client/schema.ts
 * or another file. In a folder with a deno.json of
 * its own, because the generator needs the TypeScript compiler, which nothing else here should have.
 */
import openapiTypeScript, { astToString } from "openapi-typescript";

const document = new URL("../../openapi.json", import.meta.url);
const types = astToString(await openapiTypeScript(document, { defaultNonNullable: false }));
const note = "// Generated from openapi.json by `deno task client`: do not edit.\n";
const [path = new URL("../schema.ts", import.meta.url)] = Deno.args;
await Deno.writeTextFile(path, note + types);
