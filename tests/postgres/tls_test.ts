import { assertEquals, assertRejects } from "@std/assert";
import { startEmbedded } from "../../embedded/mod.ts";
import { type Database, DeadlinePassed, sql, Unreachable } from "../../postgres/mod.ts";
import { createAuthority } from "../support/certificate.ts";
import { never, pool, until } from "../support/pool.ts";
import { connectPatiently } from "../support/database.ts";

const encrypted = sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
const authority = createAuthority();

/** A PostgreSQL of the test's own that offers TLS with a certificate for this host. */
async function startSecure(host: string) {
  const server = await startEmbedded();
  const admin = connectPatiently(server.settings, { size: 1 });
  await presentCertificate(admin, host);
  // The server tells its sessions of the new setting before it loads the certificate itself.
  await until(async () => {
    const db = connectPatiently({ ...server.settings, tls: "unverified" });
    const answer = await db.query(encrypted).catch(() => []);
    await db.close();
    return answer.length === 1;
  });
  const folder = await Deno.makeTempDir({ prefix: "slate tls " });
  const rootCertificate = `${folder}/root.crt`;
  await Deno.writeTextFile(rootCertificate, authority.certificate);
  return {
    settings: { ...server.settings, tls: "verified" as const, rootCertificate },
    admin,
    async [Symbol.asyncDispose]() {
      await admin.close();
      await server.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The server writes the files itself, for it takes no key that another account owns. */
async function presentCertificate(admin: Database, host: string) {
  const { certificate, key } = authority.issue(host);
  const folder = await setting(admin, "data_directory");
  for (const [name, pem] of [["server.crt", certificate], ["server.key", key]]) {
    const path = `${folder}/${name}`;
    await admin.script(
      `copy (select unnest(string_to_array('${pem!.trim()}', e'\\n'))) to '${path}'`,
    );
    await Deno.chmod(path, 0o600);
  }
  await admin.script("alter system set ssl = on");
  await admin.query(sql`select pg_reload_conf()`);
}

async function setting(admin: Database, name: string): Promise<string> {
  const rows = await admin.query<{ value: string }>(sql`select current_setting(${name}) as value`);
  return rows[0]!.value;
}

Deno.test("TLS: a certificate of the host by a trusted authority is accepted, and encrypts", async () => {
  await using server = await startSecure("127.0.0.1");
  await using db = pool(server.settings, { size: 1 }, server.admin);
  assertEquals(await db.query<unknown>(encrypted), [{ ssl: true }]);
});

Deno.test("TLS: a certificate of another host, or of an unknown authority, is refused", async () => {
  await using server = await startSecure("localhost");
  await using byAddress = pool(server.settings, {}, server.admin);
  await assertRejects(() => byAddress.query(encrypted), Unreachable);
  await using byName = pool({ ...server.settings, host: "localhost" }, {}, server.admin);
  assertEquals(await byName.query<unknown>(encrypted), [{ ssl: true }]);
  const stranger = `${server.settings.rootCertificate}.stranger`;
  await Deno.writeTextFile(stranger, createAuthority().certificate);
  for (const rootCertificate of [stranger, undefined]) {
    await using db = pool(
      { ...server.settings, host: "localhost", rootCertificate },
      {},
      server.admin,
    );
    await assertRejects(() => db.query(encrypted), Unreachable);
  }
});

Deno.test("TLS: unverified encrypts all the same", async () => {
  await using server = await startSecure("somebody.example");
  await using db = pool({ ...server.settings, tls: "unverified" }, {}, server.admin);
  assertEquals(await db.query<unknown>(encrypted), [{ ssl: true }]);
});

Deno.test("TLS: the deadline's cancel request goes through TLS as well", async () => {
  await using server = await startSecure("127.0.0.1");
  await using db = pool(server.settings, { deadlineMs: 500 }, server.admin);
  await assertRejects(() => db.query(never), DeadlinePassed);
  await until(async () => await db.backends(server.admin) === 0);
});

Deno.test("TLS: a server that declines gets no password", async () => {
  const server = await startEmbedded();
  const admin = connectPatiently(server.settings, { size: 1 });
  {
    await using db = pool({ ...server.settings, tls: "verified" }, {}, admin);
    await assertRejects(() => db.query(encrypted), Unreachable, "offers no TLS");
    await using lax = pool({ ...server.settings, tls: "unverified" }, {}, admin);
    await assertRejects(() => lax.query(encrypted), Unreachable, "offers no TLS");
  }
  await admin.close();
  await server.stop();
});

Deno.test("TLS: what a stranger slips in behind the server's answer is refused", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(8));
    await connection.write(new TextEncoder().encode("Sslipped in"));
    await connection.read(new Uint8Array(1)).catch(() => {});
  })();
  const db = connectPatiently({
    host: "127.0.0.1",
    port: listener.addr.port,
    database: "slate",
    user: "slate",
    tls: "unverified",
  });
  await assertRejects(() => db.query(encrypted), Unreachable);
  await db.close();
  await serving;
  listener.close();
});
