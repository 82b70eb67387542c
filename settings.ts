import {
  databaseNames,
  type DatabaseSettings,
  isLocal,
  readDatabaseSettings,
} from "./postgres/settings.ts";

/** What the environment decides. README.md lists the names. */
export interface Settings {
  host: string;
  port: number;
  /** Whether other processes may listen there as well: docs/operations.md. */
  reusePort: boolean;
  /** The platform listens for us, as Deno Deploy does. */
  managed: boolean;
  database: DatabaseSettings;
  /** A streaming replica of it, for reads that allow one. */
  replica?: DatabaseSettings;
  /** Part of every API key, `slate_<environment>_...`. A key of another environment is refused. */
  environment: string;
  /** The most connections to the database. */
  poolSize: number;
  /** Until a request is answered 504 and its statement stopped. */
  deadlineMs: number;
  /** What requests in flight have, when the process is told to stop, until they are cut off. */
  drainMs: number;
  corsOrigins: string[];
  /** Requests a minute and caller; 0 turns the limit off. */
  rateLimit: number;
  /** Requests in flight for one caller; 0 turns the limit off. */
  concurrencyLimit: number;
  /** The header that our own proxy sets to the client's address; none is trusted by default. */
  trustedProxyHeader?: string;
  /** The OpenID Connect issuer whose access tokens are taken beside API keys. */
  auth?: { issuer: string; audiences: string[]; jwksUrl?: string };
  /** Only in `deno task dev`: the key of requests that carry none. */
  devKey?: string;
  /** Whether `/` is a page that shows what the API does; by default in `deno task dev`. */
  demo: boolean;
}

/** Every fault of the environment, a line each. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

type Environment = Record<string, string | undefined>;

const known = ["SLATE_ENV", "SLATE_DATA_DIR", "SLATE_DEV_KEY"];

/** Every name of the environment that the process which serves reads. */
export const names = [
  ...databaseNames,
  ...[
    "DATABASE_REPLICA_URL",
    "HOST",
    "PORT",
    "REUSE_PORT",
    "DEMO",
    "POOL_SIZE",
    "REQUEST_DEADLINE_MS",
    "DRAIN_MS",
    "CORS_ORIGINS",
  ],
  ...["RATE_LIMIT", "CONCURRENCY_LIMIT", "TRUSTED_PROXY_HEADER", "OTEL_DENO", "DENO_SERVE_ADDRESS"],
  ...["AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URL"],
  ...known,
];

/** The settings of this process; one that cannot have them says why and ends. */
export function requireSettings(): Settings {
  // In the container only those names may be read; unknown ones were looked for by permissions.ts.
  const all = Deno.permissions.querySync({ name: "env" }).state === "granted";
  const env = all
    ? Deno.env.toObject()
    : Object.fromEntries(names.map((name) => [name, Deno.env.get(name)]));
  try {
    return readSettings(env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    console.error(`Slate cannot start:\n${error.message}`);
    Deno.exit(1);
  }
}

/** Throws SettingsError, which names all that is missing, malformed or unknown at once. */
export function readSettings(env: Environment): Settings {
  const { settings: database, faults } = readDatabaseSettings(env);
  for (const name of Object.keys(env)) {
    if (name.startsWith("SLATE_") && !known.includes(name)) {
      faults.push(`${name} is unknown: known are ${known.join(", ")}`);
    }
  }
  const replica = env.DATABASE_REPLICA_URL ? replicaOf(env, database, faults) : undefined;
  function whole(name: string, fallback: number, least: number, most: number): number {
    const text = env[name] || String(fallback);
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      faults.push(`${name} is "${text}": it must be a whole number from ${least} to ${most}`);
    }
    return value;
  }
  function matching(name: string, pattern: RegExp, mustBe: string): string | undefined {
    const text = env[name] || undefined;
    if (text && !pattern.test(text)) faults.push(`${name} is "${text}": it must be ${mustBe}`);
    return text;
  }
  const host = env.HOST || "127.0.0.1";
  const corsOrigins = (env.CORS_ORIGINS ?? "").split(",").map((o) => o.trim()).filter(Boolean);
  for (const origin of corsOrigins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      faults.push(`CORS_ORIGINS has "${origin}": an origin looks like https://app.example.com`);
    }
  }
  const settings = {
    auth: authOf(env, faults),
    replica,
    host,
    port: whole("PORT", 8000, 0, 65535),
    reusePort: whole("REUSE_PORT", 0, 0, 1) === 1,
    managed: Boolean(env.DENO_SERVE_ADDRESS),
    environment: matching("SLATE_ENV", /^[a-z]{1,16}$/, "1 to 16 small letters") ?? "live",
    poolSize: whole("POOL_SIZE", 10, 1, 1000),
    deadlineMs: whole("REQUEST_DEADLINE_MS", 10_000, 100, 600_000),
    // Platforms that stop an instance kill it 5 s later, as a rule.
    drainMs: whole("DRAIN_MS", 4000, 100, 600_000),
    corsOrigins,
    rateLimit: whole("RATE_LIMIT", 6000, 0, 1_000_000_000),
    concurrencyLimit: whole("CONCURRENCY_LIMIT", 64, 0, 1_000_000),
    trustedProxyHeader: matching(
      "TRUSTED_PROXY_HEADER",
      /^[A-Za-z0-9-]+$/,
      "the name of a header",
    ),
    devKey: env.SLATE_DEV_KEY || undefined,
    demo: whole("DEMO", env.SLATE_DEV_KEY ? 1 : 0, 0, 1) === 1,
  };
  if (settings.devKey && !isLocal(host)) {
    faults.push(
      `SLATE_DEV_KEY lets everybody in and HOST is "${host}": unset it, or listen on 127.0.0.1`,
    );
  }
  if (settings.devKey && database && !isLocal(database.host)) {
    faults.push(
      "SLATE_DEV_KEY lets everybody in and the database is not the embedded one: unset it",
    );
  }
  if (!database || faults.length > 0) {
    throw new SettingsError(faults.map((fault) => `- ${fault}`).join("\n"));
  }
  return { ...settings, database };
}

/** The issuer of access tokens, where one is named. */
function authOf(env: Environment, faults: string[]): Settings["auth"] {
  const { AUTH_ISSUER: issuer, AUTH_JWKS_URL: jwksUrl } = env;
  const audiences = (env.AUTH_AUDIENCE ?? "").split(",").map((a) => a.trim()).filter(Boolean);
  if (!issuer) {
    if (audiences.length > 0 || jwksUrl) faults.push("AUTH_ISSUER is missing: name the issuer too");
    return undefined;
  }
  for (const [name, text] of Object.entries({ AUTH_ISSUER: issuer, AUTH_JWKS_URL: jwksUrl })) {
    if (!text) continue;
    const url = URL.parse(text);
    if (url?.protocol === "https:" || url?.protocol === "http:" && isLocal(url.hostname)) continue;
    faults.push(
      `${name} is "${text}": it must be an https address, such as https://id.example.com`,
    );
  }
  if (audiences.length === 0) {
    faults.push("AUTH_AUDIENCE is missing: without it every token of the issuer would be taken");
  }
  return { issuer, audiences, jwksUrl: jwksUrl || undefined };
}

function replicaOf(
  env: Environment,
  primary: DatabaseSettings | undefined,
  faults: string[],
): DatabaseSettings | undefined {
  const named = { ...env, DATABASE_URL: env.DATABASE_REPLICA_URL };
  const { settings, faults: own } = readDatabaseSettings(named);
  faults.push(...own.map((fault) => fault.replaceAll("DATABASE_URL", "DATABASE_REPLICA_URL")));
  if (settings && settings.host === primary?.host && settings.port === primary.port) {
    faults.push(
      "DATABASE_REPLICA_URL names the primary of DATABASE_URL: unset it, or set a replica",
    );
  }
  return settings;
}
