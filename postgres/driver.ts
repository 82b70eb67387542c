import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import postgres from "postgres";
import { parse as parseArray } from "postgres-array";
import type { DatabaseSettings } from "./settings.ts";

/** What our parameters are: text as PostgreSQL reads it. */
const asIs = (text: unknown) => text;
const isTrue = (text: string) => text === "t";

/** Arrays are handed over as text and cast in SQL; the elements of those that come are read so. */
const arrayOf = <Element>(from: number[], element: (text: string) => Element) => ({
  to: from[0]!,
  from,
  serialize: asIs,
  parse: (text: string) => parseArray(text, element),
});

/** How values are read, by the oids of their types. */
const types = {
  // As PostgreSQL writes them: a JavaScript Date has no microseconds and no infinity.
  date: { to: 1184, from: [1082, 1114, 1184], serialize: asIs, parse: asIs },
  json: { to: 114, from: [114, 3802], serialize: asIs, parse: JSON.parse },
  boolean: { to: 16, from: [16], serialize: asIs, parse: isTrue },
  bytea: {
    to: 17,
    from: [17],
    serialize: asIs,
    parse: (text: string) => Buffer.from(text.slice(2), "hex"),
  },
  booleans: arrayOf([1000], isTrue),
  // smallint, integer, real, double precision, oid
  numbers: arrayOf([1005, 1007, 1021, 1022, 1028], Number),
  // "char", name, text, character, varchar, bigint
  texts: arrayOf([1002, 1003, 1009, 1014, 1015, 1016], String),
};

/** postgres.js for a single connection over a socket of ours; nothing is opened before it is used. */
export function openDriver(
  { host, port, database, user, password, searchPath }: DatabaseSettings,
  applicationName: string,
  socket: () => Promise<Socket>,
): postgres.Sql {
  // Everything that postgres.js would otherwise take from the environment is spelled out.
  const sql = postgres({
    host,
    port,
    database,
    username: user,
    pass: () => password ?? "",
    max: 1,
    // The pool bounds it: the driver would wait until all are answered before it sends more.
    max_pipeline: 1_000_000,
    // A round trip at connect; and nobody hears of it when the connection breaks there.
    fetch_types: false,
    prepare: true,
    // A timer of its own for each statement; the pool closes what idles.
    idle_timeout: null,
    connect_timeout: 0,
    max_lifetime: null,
    keep_alive: 60,
    backoff: 0,
    debug: false,
    onnotice: () => {},
    types,
    connection: {
      application_name: applicationName,
      ...searchPath && { search_path: searchPath },
    },
    // TLS is ours as well: postgres.js speaks it to a server that has just declined.
    ssl: false,
    sslnegotiation: null,
    socket,
  } as unknown as postgres.Options<Record<never, never>>);
  // Where each query was written, which the driver would keep for every one whose connection failed.
  Object.defineProperty(Object.getPrototypeOf(sql.unsafe("")), "origin", { value: "" });
  return sql;
}
