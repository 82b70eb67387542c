import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import {
  databaseUrl,
  describeDatabase,
  isLocal,
  readDatabaseSettings,
} from "../../postgres/settings.ts";

type Environment = Record<string, string>;

/** The settings, with a proof that there was no fault. */
function read(env: Environment) {
  const { settings, faults } = readDatabaseSettings(env);
  assertEquals(faults, []);
  return settings!;
}

function readUrl(url: string) {
  return read({ DATABASE_URL: url });
}

/** The faults, with a proof that there are no settings then. */
function faultsOf(env: Environment): string[] {
  const { settings, faults } = readDatabaseSettings(env);
  assertEquals(settings, undefined);
  assert(faults.length > 0);
  return faults;
}

async function withFile(text: string, use: (path: string) => void) {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    use(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("settings: a URL says it all", () => {
  assertEquals(readUrl("postgres://ada:pass@db.example:6000/slate?sslmode=disable"), {
    host: "db.example",
    port: 6000,
    database: "slate",
    user: "ada",
    password: "pass",
    tls: "off",
    rootCertificate: undefined,
  });
});

Deno.test("settings: PGHOST and the other PG variables say it as well, and fill what a URL leaves out", () => {
  const kin = { PGPORT: "6000", PGDATABASE: "slate", PGUSER: "ada", PGPASSWORD: "pass" };
  const expected = readUrl("postgresql://ada:pass@db.example:6000/slate");
  assertEquals(read({ PGHOST: "db.example", ...kin }), expected);
  assertEquals(read({ DATABASE_URL: "postgres://db.example", ...kin }), expected);
  assertEquals(read({ DATABASE_URL: "postgres:///", PGHOST: "db.example", ...kin }), expected);
  assertEquals(
    read({ DATABASE_URL: "postgres://eve:other@db.example:7000/x", ...kin, PGSSLMODE: "disable" }),
    readUrl("postgres://eve:other@db.example:7000/x?sslmode=disable"),
  );
});

Deno.test("settings: nothing set is one message that says what to set", () => {
  const [fault, ...others] = faultsOf({ DATABASE_URL: "", PGUSER: "ada" });
  assertMatch(fault!, /^DATABASE_URL is missing: set it to postgres:\/\/.* PGHOST/);
  assertEquals(others, []);
});

Deno.test("settings: every fault is named at once, and the password in none", () => {
  const faults = faultsOf({
    DATABASE_URL: "mysql://:s3cret@a,b/?sslmode=prefer&pool=3&pool=4&sslrootcert=/no/such/file",
    PGPORT: "many",
    PGSERVICE: "prod",
    PGHOSTADDR: "10.0.0.1",
  });
  const expected = [
    /PGSERVICE is not supported/,
    /PGHOSTADDR is not supported/,
    /begins with mysql:\/\/: .* postgres:\/\//,
    /unknown parameter "pool": known are sslmode, sslrootcert/,
    /several hosts/,
    /the port is "many"/,
    /names no user/,
    /names no database/,
    /sslmode is "prefer": use verify-full/,
    /sslrootcert "\/no\/such\/file" cannot be read/,
  ];
  expected.forEach((pattern, i) => assertMatch(faults[i]!, pattern));
  assertEquals(faults.length, expected.length);
  assertNotMatch(faults.join(), /s3cret/);
});

Deno.test("settings: no message repeats a password, wherever its characters break the URL", () => {
  for (
    const broken of ["s3/cret", "s3?cret", "s3#cret", "s3%cret", "1?s3cret", "1#s3cret", "1/s3"]
  ) {
    const faults = faultsOf({ DATABASE_URL: `postgres://ada:${broken}@db.example:5432/slate` });
    assertNotMatch(faults.join(), /s3|cret/);
  }
});

Deno.test("settings: TLS is verified unless the host is this machine", () => {
  const tlsOf = (host: string) => readUrl(`postgres://ada@${host}/slate`).tls;
  for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "%2Frun%2Fpostgresql"]) {
    assertEquals(tlsOf(host), "off", host);
  }
  for (const host of ["db.example", "10.0.0.1", "127.evil.example", "localhost.example", "[::2]"]) {
    assertEquals(tlsOf(host), "verified", host);
  }
  assert(isLocal("/tmp") && !isLocal("tmp"));
});

Deno.test("settings: each word of sslmode verifies, refuses, or says openly that it does not", () => {
  const tlsOf = (mode: string) => readUrl(`postgres://ada@db.example/slate?sslmode=${mode}`).tls;
  assertEquals(tlsOf("disable"), "off");
  for (const mode of ["require", "verify-ca", "verify-full"]) assertEquals(tlsOf(mode), "verified");
  assertEquals(tlsOf("no-verify"), "unverified");
  assertEquals(readUrl("postgres://ada@localhost/slate?sslmode=require").tls, "verified");
  for (const mode of ["prefer", "allow", "VERIFY-FULL", "constructor", "yes"]) {
    const [fault] = faultsOf({ DATABASE_URL: `postgres://ada@db.example/slate?sslmode=${mode}` });
    assertMatch(fault!, new RegExp(`sslmode is "${mode}"`));
  }
  assertEquals(
    read({ PGHOST: "db.example", PGUSER: "ada", PGDATABASE: "x", PGSSLMODE: "no-verify" }).tls,
    "unverified",
  );
});

Deno.test("settings: the URL that Neon hands out is taken as it is", () => {
  const settings = readUrl(
    "postgresql://ada:pass@ep-1-pooler.eu.neon.example/slate?sslmode=require&channel_binding=require",
  );
  assertEquals(settings.tls, "verified");
  assertEquals(settings.port, 5432);
});

Deno.test("settings: a parameter that is unknown or there twice is named", () => {
  const fault = (query: string) =>
    faultsOf({ DATABASE_URL: `postgres://ada@localhost/slate?${query}` }).join();
  assertMatch(fault("pgbouncer=true"), /unknown parameter "pgbouncer"/);
  assertMatch(fault("x-migrations-table=m"), /unknown parameter "x-migrations-table"/);
  assertMatch(fault("sslmode=disable&sslmode=require"), /"sslmode" twice/);
});

Deno.test("settings: percent-encoding is decoded in every part", () => {
  const settings = readUrl("postgres://a%40da:p%2Fa%3As%25s%23%3F@db%2Eexample/my%20slate");
  assertEquals(settings.user, "a@da");
  assertEquals(settings.password, "p/a:s%s#?");
  assertEquals(settings.host, "db.example");
  assertEquals(settings.database, "my slate");
});

Deno.test("settings: IPv6 addresses stand in brackets in a URL and nowhere else", () => {
  const settings = readUrl("postgres://ada@[2001:db8::1]:6000/slate");
  assertEquals(settings.host, "2001:db8::1");
  assertEquals(new URL(databaseUrl(settings)).host, "[2001:db8::1]:6000");
  assertEquals(read({ PGHOST: "::1", PGUSER: "ada", PGDATABASE: "slate" }).host, "::1");
});

Deno.test("settings: a Unix socket is named by its folder", () => {
  const expected = { host: "/run/postgresql", tls: "off" };
  for (
    const settings of [
      readUrl("postgres://ada@%2Frun%2Fpostgresql/slate"),
      readUrl("postgres://ada@localhost/slate?host=/run/postgresql"),
      read({ PGHOST: "/run/postgresql", PGUSER: "ada", PGDATABASE: "slate" }),
    ]
  ) {
    const { host, tls } = settings;
    assertEquals({ host, tls }, expected);
    assertEquals(readUrl(databaseUrl(settings)), settings);
  }
});

Deno.test("settings: a port is a number from 1 to 65535", () => {
  for (const port of ["0", "65536", "-1", "5432x", "1e3"]) {
    const [fault] = faultsOf({ PGHOST: "localhost", PGUSER: "a", PGDATABASE: "x", PGPORT: port });
    assertMatch(fault!, new RegExp(`the port is "${port}"`));
  }
  assertMatch(faultsOf({ DATABASE_URL: "postgres://a@localhost:99999/x" })[0]!, /not a URL/);
});

Deno.test("settings: a password file gives the first line that fits", async () => {
  await withFile(
    [
      "# host:port:database:user:password",
      "other:*:*:*:wrong",
      "db.example:5432:slate:eve:wrong",
      String.raw`db.example:5432:sl\:ate:ada:wi\:th\\colon`,
      "db.example:*:slate:ada:right",
      "*:*:*:*:late",
    ].join("\r\n"),
    (PGPASSFILE) => {
      const passwordOf = (url: string) => read({ DATABASE_URL: url, PGPASSFILE }).password;
      assertEquals(passwordOf("postgres://ada@db.example/slate"), "right");
      assertEquals(passwordOf("postgres://ada@db.example/sl:ate"), "wi:th\\colon");
      assertEquals(passwordOf("postgres://bob@db.example/slate"), "late");
      assertEquals(passwordOf("postgres://ada:given@db.example/slate"), "given");
    },
  );
  await withFile("a:1:b:c:d\n", (PGPASSFILE) => {
    assertEquals(read({ DATABASE_URL: "postgres://ada@db/x", PGPASSFILE }).password, undefined);
  });
  const [fault] = faultsOf({ DATABASE_URL: "postgres://ada@db/x", PGPASSFILE: "/no/such/file" });
  assertMatch(fault!, /PGPASSFILE "\/no\/such\/file" cannot be read/);
});

Deno.test("settings: a file of root certificates must hold one", async () => {
  const url = "postgres://ada@db.example/slate?sslrootcert=";
  await withFile("not a certificate", (path) => {
    assertMatch(faultsOf({ DATABASE_URL: url + path })[0]!, /holds no PEM certificate/);
  });
  await withFile("-----BEGIN CERTIFICATE-----\n", (path) => {
    const settings = readUrl(url + path);
    assertEquals(settings.rootCertificate, path);
    assertEquals(readUrl(databaseUrl(settings)), settings);
  });
  assertEquals(readUrl(`${url}system`).rootCertificate, undefined);
});

Deno.test("settings: the URL for another program means the same, in libpq's words", () => {
  const url = (tls: "off" | "verified" | "unverified") =>
    new URL(databaseUrl({
      host: "db.example",
      port: 6000,
      database: "my slate/x",
      user: "a@da",
      password: "p/a:s%s#?@",
      tls,
    }));
  assertEquals(url("off").searchParams.get("sslmode"), "disable");
  assertEquals(url("verified").searchParams.get("sslmode"), "verify-full");
  assertEquals(url("unverified").searchParams.get("sslmode"), "require");
  const settings = readUrl(url("verified").href);
  assertEquals(settings.password, "p/a:s%s#?@");
  assertEquals(settings.database, "my slate/x");
  assertEquals(settings.user, "a@da");
});

Deno.test("prepared_statements is true, false or unknown, says nothing to other programs, and takes no third value", () => {
  const url = "postgres://ada@localhost/slate?prepared_statements=";
  assertEquals(readUrl(`${url}false`).preparedStatements, false);
  assertEquals(readUrl(`${url}true`).preparedStatements, true);
  assertEquals(readUrl(url).preparedStatements, undefined);
  assertEquals(new URL(databaseUrl(readUrl(`${url}false`))).search, "?sslmode=disable");
  const { faults } = readDatabaseSettings({ DATABASE_URL: `${url}no` });
  assertEquals(faults.length, 1);
  assertMatch(faults[0]!, /prepared_statements is "no": use false/);
});

Deno.test("settings: what is shown of a database holds no password", () => {
  const settings = readUrl("postgres://ada:s3cret@db.example/slate");
  assertEquals(describeDatabase(settings), "slate on db.example:5432 as ada");
});
