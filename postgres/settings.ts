import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";

/** Where a PostgreSQL is and how to reach it. */
export interface DatabaseSettings {
  /** A name, an address, or the folder of a Unix socket when it starts with a slash. */
  host: string;
  port: number;
  database: string;
  user: string;
  password?: string;
  /** `verified` checks the certificate and the host's name; `unverified` only encrypts. */
  tls: "off" | "verified" | "unverified";
  /** The PEM file of certificates to trust instead of the system's. */
  rootCertificate?: string;
  /** False where a pooler stands in between that forgets prepared statements; undefined: find out. */
  preparedStatements?: boolean;
  /** Of each session, instead of the server's: schemas parted by commas. */
  searchPath?: string;
}

type Environment = Record<string, string | undefined>;

/** What of the environment is looked at, here and by the driver. */
export const databaseNames = [
  ...["DATABASE_URL", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE"],
  ...["PGSSLMODE", "PGSSLROOTCERT", "PGSERVICE", "PGHOSTADDR", "PGTARGETSESSIONATTRS"],
  ...["PGTARGET_SESSION_ATTRS", "PGAPPNAME", "PGPUBLICATIONS"],
];

const sslModes = new Map<string, DatabaseSettings["tls"]>([
  ["disable", "off"],
  // libpq's require and verify-ca accept another host's certificate. Here they verify in full;
  // whoever wants less has to say so in words that cannot be missed.
  ["require", "verified"],
  ["verify-ca", "verified"],
  ["verify-full", "verified"],
  ["no-verify", "unverified"],
]);

// search_path is dbmate's. host names the folder of a Unix socket, for which a URL has no other place. channel_binding comes
// with Neon's URLs and adds nothing to a verified certificate.
const knownParameters = [
  "sslmode",
  "sslrootcert",
  "channel_binding",
  "host",
  "search_path",
  "prepared_statements",
];

/** Whether the traffic to this host stays on this machine. */
export function isLocal(host: string): boolean {
  return host.startsWith("/") || host === "localhost" || host === "::1" ||
    isIPv4(host) && host.startsWith("127.");
}

/**
 * The database that the environment names: DATABASE_URL, or PGHOST and the other PG variables
 * (PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGPASSFILE, PGSSLMODE, PGSSLROOTCERT), which also fill
 * what a URL leaves out.
 * Returns every fault found, each a sentence that names the setting and the remedy; there are
 * settings only where there is no fault.
 */
export function readDatabaseSettings(
  env: Environment,
): { settings?: DatabaseSettings; faults: string[] } {
  const faults: string[] = [];
  if (!env.DATABASE_URL && !env.PGHOST) {
    faults.push(
      "DATABASE_URL is missing: set it to postgres://user:password@host:5432/database, or set PGHOST and the other PG variables",
    );
    return { faults };
  }
  for (const name of ["PGSERVICE", "PGHOSTADDR", "PGTARGETSESSIONATTRS"]) {
    if (env[name]) {
      faults.push(
        `${name} is not supported: unset it, and put the host into PGHOST or DATABASE_URL`,
      );
    }
  }
  const url = env.DATABASE_URL ? parseUrl(env.DATABASE_URL, faults) : undefined;
  if (env.DATABASE_URL && !url) return { faults };
  const source = env.DATABASE_URL ? "DATABASE_URL" : "PGHOST and the other PG variables";
  const given = (name: string) => url?.searchParams.get(name) || undefined;

  const host = given("host") ?? (bare(decode(url?.hostname ?? "") ?? "") || env.PGHOST || "");
  const portText = url?.port || env.PGPORT || "5432";
  const port = Number(portText);
  const database = decode(url?.pathname.slice(1) ?? "") || env.PGDATABASE || "";
  const user = decode(url?.username ?? "") || env.PGUSER || "";
  if (!host) faults.push(`${source} names no host`);
  else if (host.includes(",")) faults.push(`${source} names several hosts: only one is supported`);
  if (!/^\d+$/.test(portText) || port < 1 || port > 65535) {
    faults.push(`the port is "${portText}" in ${source}: it must be a number from 1 to 65535`);
  }
  if (!user) faults.push(`${source} names no user: put it before the @, or into PGUSER`);
  if (!database) {
    faults.push(`${source} names no database: put it after the host, or into PGDATABASE`);
  }

  const mode = given("sslmode") ?? (env.PGSSLMODE || undefined);
  const tls = mode ? sslModes.get(mode) : isLocal(host) ? "off" : "verified";
  if (!tls) {
    faults.push(
      `sslmode is "${mode}": use verify-full, or disable where nobody can listen (prefer and allow can fall back to plain text unnoticed)`,
    );
  }
  const prepared = given("prepared_statements");
  if (prepared && prepared !== "true" && prepared !== "false") {
    faults.push(
      `prepared_statements is "${prepared}": use false behind a pooler that does not know them, or true`,
    );
  }
  const passwordFile = env.PGPASSFILE || undefined;
  const password = decode(url?.password ?? "") || env.PGPASSWORD ||
    (passwordFile && passwordFrom(passwordFile, { host, port, database, user }, faults));
  const rootCertificate = certificateFile(given("sslrootcert") ?? env.PGSSLROOTCERT, faults);
  if (faults.length > 0 || !tls) return { faults };
  const settings = { host, port, database, user, password, tls, rootCertificate };
  const searchPath = given("search_path");
  return {
    settings: {
      ...settings,
      ...searchPath && { searchPath },
      ...prepared && { preparedStatements: prepared === "true" },
    },
    faults,
  };
}

/**
 * The URL for another program, such as dbmate, in libpq's terms. It holds the password: hand it on
 * through the environment only, never as an argument and never to a log.
 */
export function databaseUrl(settings: DatabaseSettings): string {
  const { host, port, database, user, password, tls, rootCertificate, searchPath } = settings;
  const socket = host.startsWith("/");
  const authority = socket ? "localhost" : host.includes(":") ? `[${host}]` : host;
  const url = new URL(`postgres://${authority}:${port}`);
  url.username = encodeURIComponent(user);
  if (password) url.password = encodeURIComponent(password);
  url.pathname = `/${encodeURIComponent(database)}`;
  if (socket) url.searchParams.set("host", host);
  url.searchParams.set(
    "sslmode",
    { off: "disable", verified: "verify-full", unverified: "require" }[tls],
  );
  // With sslmode=require the file would mean: verify after all.
  if (rootCertificate && tls === "verified") url.searchParams.set("sslrootcert", rootCertificate);
  if (searchPath) url.searchParams.set("search_path", searchPath);
  return url.href;
}

/** What may be shown of a database: never its password. */
export function describeDatabase({ host, port, database, user }: DatabaseSettings): string {
  return `${database} on ${host}:${port} as ${user}`;
}

function parseUrl(text: string, faults: string[]): URL | undefined {
  let url;
  try {
    url = new URL(text);
  } catch {
    // The text may hold a password, so it is not repeated.
    faults.push(
      "DATABASE_URL is not a URL: it must look like postgres://user:password@host:5432/database; write special characters in the password as %XX",
    );
    return;
  }
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    faults.push(`DATABASE_URL begins with ${url.protocol}//: it must begin with postgres://`);
  }
  const names = [...url.searchParams.keys()];
  // A ? or # that is not written as %3F or %23 cuts the password, so that only what cannot be a
  // piece of one is repeated.
  if (url.hash || names.some((name) => !/^[\w.-]{1,40}$/.test(name))) {
    faults.push(
      "DATABASE_URL has a ? or a # where none belongs: write %3F and %23 inside the password",
    );
  } else {
    for (const name of new Set(names)) {
      if (!knownParameters.includes(name)) {
        const known = knownParameters.join(", ");
        faults.push(`DATABASE_URL has the unknown parameter "${name}": known are ${known}`);
      } else if (names.indexOf(name) !== names.lastIndexOf(name)) {
        faults.push(`DATABASE_URL has the parameter "${name}" twice: leave one`);
      }
    }
  }
  for (const part of [url.username, url.password, url.pathname, url.hostname]) {
    if (decode(part) === undefined) {
      faults.push("DATABASE_URL has a % that is not followed by two hexadecimal digits: write %25");
      break;
    }
  }
  return url;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** An IPv6 address without the brackets that a URL puts around it. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

function certificateFile(path: string | undefined, faults: string[]): string | undefined {
  if (!path || path === "system") return undefined;
  try {
    if (readFileSync(path, "utf8").includes("-----BEGIN CERTIFICATE-----")) return path;
    faults.push(`sslrootcert "${path}" holds no PEM certificate`);
  } catch (error) {
    faults.push(`sslrootcert "${path}" cannot be read: ${(error as Error).message}`);
  }
}

/** The matching line of a password file, in the format of libpq's: host:port:database:user:password. */
function passwordFrom(
  path: string,
  wanted: { host: string; port: number; database: string; user: string },
  faults: string[],
): string | undefined {
  let lines;
  try {
    lines = readFileSync(path, "utf8").split(/\r?\n/);
  } catch (error) {
    faults.push(`PGPASSFILE "${path}" cannot be read: ${(error as Error).message}`);
    return;
  }
  const values = [wanted.host, String(wanted.port), wanted.database, wanted.user];
  for (const line of lines) {
    if (line.startsWith("#")) continue;
    const fields = Array.from(
      line.matchAll(/((?:[^:\\]|\\.)*)(?::|$)/g),
      ([, field]) => field!.replace(/\\(.)/g, "$1"),
    );
    if (fields.length >= 5 && values.every((v, i) => fields[i] === "*" || fields[i] === v)) {
      return fields[4];
    }
  }
}
