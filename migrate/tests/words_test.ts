import { assertEquals } from "@std/assert";
import { inPlainWords } from "../catalog/words.ts";

const things: [kind: string, name: string, words: string][] = [
  ["comment", "extension btree_gist", "comment on extension btree_gist"],
  ["comment", "cast (c AS integer)", "comment on cast (c as integer)"],
  ["comment", "operator class oc USING btree", "comment on operator class oc using btree"],
  ["owner", "f(integer) owner", "owner of f(integer)"],
  ["owner", '"a owner" schema owner', 'owner of schema "a owner"'],
  ["owner", "oc USING btree operator class owner", "owner of operator class oc using btree"],
  ["owner", "d text search dictionary owner", "owner of text search dictionary d"],
  ["setting", "t.a own default", "default of t.a"],
  ["setting", "t.a foreign options", "options of t.a"],
  ["setting", '"t forced" row level security', 'row level security of "t forced"'],
  ["setting", "t forced row level security", "forced row level security of t"],
  ["setting", "s owned by", "owning column of s"],
  ["setting", 'f() extension "uuid-ossp"', 'dependence of f() on extension "uuid-ossp"'],
  [
    "grant",
    "(a, b) on table t grant r further",
    "grant on columns a, b of table t to r with grant option",
  ],
  [
    "grant",
    '(a) on table "on t" grant "my role"',
    'grant on column a of table "on t" to "my role"',
  ],
  ["grant", "function f(integer) revoke public", "revoke on function f(integer) from public"],
  ["default privileges", "for role (owner) on S grant r", "default grant on sequences to r"],
  [
    "default privileges",
    'for role "a b" in schema app on r grant r further',
    'default grant on tables in schema app to r with grant option for what "a b" makes',
  ],
  ["user mapping", "(owner) on server s", "user mapping for the owner on server s"],
  ["column", "t.a", "column t.a"],
];

Deno.test("a difference is named in plain words, whatever a name has in it", () => {
  for (const [kind, name, words] of things) assertEquals(inPlainWords({ kind, name }), words);
});
