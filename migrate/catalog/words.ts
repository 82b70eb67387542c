import { sqlPattern } from "../files/sql_text.ts";

/** What `alter default privileges` is about, by the letter that the catalog keeps. */
const objects: Record<string, string> = {
  r: "tables",
  S: "sequences",
  f: "functions",
  T: "types",
  n: "schemas",
  L: "large objects",
};

/** Settings by the end of their names, and what people call them; the others are called as they end. */
const settings: Record<string, string> = {
  "own default": "default",
  "own not null": "not null",
  "default": "default",
  "not null": "not null",
  "clustered": "clustering",
  "toast options": "toast options",
  "foreign options": "options",
  "options": "options",
  "of type": "row type",
  "persistence": "persistence",
  "target": "statistics target",
  "state": "state",
  "firing": "state",
  "forced row level security": "forced row level security",
  "row level security": "row level security",
  "replica identity": "replica identity",
  "owned by": "owning column",
  "attached": "attachment",
  "statistics": "statistics target",
  "storage": "storage",
  "compression": "compression",
};

const setting = new RegExp(`^(.*?) (${Object.keys(settings).join("|")})$`, "s");
const dependence = sqlPattern("^(.*) extension (<name>)$", "s");
const right = sqlPattern("^(.*) (grant|revoke) (<name>)( further)?$", "s");
const columns = /^\((.*)\) on (.*)$/s;
const privileges = sqlPattern(
  "^for role (.*?)( in schema <name>)? on (\\w) (grant|revoke) (<name>)( further)?$",
  "s",
);
const kindsOfOwned =
  "schema|collation|operator|publication|statistics object|foreign-data wrapper" +
  "|server|language|event trigger|operator class|operator family|text search [a-z]+|conversion";
const owned = new RegExp(`^(.*?)(?: (${kindsOfOwned}))? owner$`, "s");

/**
 * A thing as people call it: `comment on table t`. The name of a definition is made to be found
 * again, and says `comment` and `table t`.
 */
export function inPlainWords({ kind, name }: { kind: string; name: string }): string {
  switch (kind) {
    case "comment":
      return `comment on ${inLowerCase(name)}`;
    case "owner": {
      const [, object, type] = owned.exec(name)!;
      return `owner of ${type ? `${type} ` : ""}${inLowerCase(object!)}`;
    }
    case "setting": {
      const [, object, extension] = dependence.exec(name) ?? [];
      if (object) return `dependence of ${object} on extension ${extension}`;
      const [, of, end] = setting.exec(name)!;
      return `${settings[end!]} of ${of}`;
    }
    case "grant": {
      const [, object, verb, role, further] = right.exec(name)!;
      const [, list, table] = columns.exec(object!) ?? [];
      const what = list
        ? `${list.includes(",") ? "columns" : "column"} ${list} of ${table}`
        : object;
      return `${ofRights(verb!, `on ${what}`, role!)}${further ? " with grant option" : ""}`;
    }
    case "default privileges": {
      const [, maker, schema = "", letter, verb, role, further] = privileges.exec(name)!;
      const what = `on ${objects[letter!]}${schema}`;
      const by = maker === "(owner)" ? "" : ` for what ${maker} makes`;
      return `default ${ofRights(verb!, what, role!)}${further ? " with grant option" : ""}${by}`;
    }
    case "user mapping":
      return `user mapping for ${name.replace(/^\(owner\) /, "the owner ")}`;
    case "text search":
      return `text search configuration ${name}`;
    default:
      return `${kind} ${inLowerCase(name)}`;
  }
}

function ofRights(verb: string, what: string, role: string): string {
  return `${verb} ${what} ${verb === "grant" ? "to" : "from"} ${role}`;
}

/** PostgreSQL's own names of some things have words of SQL in capitals. */
function inLowerCase(name: string): string {
  return name.replace(/ (USING|AS) /, (word) => word.toLowerCase());
}
