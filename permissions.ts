/**
 * Prints the permissions of the process that serves, a flag a line, for the settings of this
 * environment: to listen, to reach its databases, to read its settings and its files, and nothing
 * else. Where settings are wrong it names every fault instead and exits 1.
 */
import { names, requireSettings } from "./settings.ts";

const { host, port, database, replica, auth } = requireSettings();
const files = [`${import.meta.dirname}/db/migrations`, Deno.env.get("PGPASSFILE")];
const net = [address(host, port)];
for (const url of [auth?.issuer, auth?.jwksUrl]) {
  const { hostname, port, protocol } = URL.parse(url ?? "") ?? {};
  if (hostname) net.push(`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`);
}
const sockets: string[] = [];
for (const { host, port, rootCertificate } of replica ? [database, replica] : [database]) {
  files.push(rootCertificate);
  if (!host.startsWith("/")) net.push(address(host, port));
  else sockets.push(`${host}/.s.PGSQL.${port}`);
}

allow("net", [...net, ...sockets.map((path) => `unix:${path}`)]);
allow("env", names);
allow("read", [...files, ...sockets]);
// To connect to a Unix socket is to write to it.
allow("write", sockets);

function address(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function allow(kind: string, values: (string | undefined)[]) {
  // A comma in a path is written twice.
  const given = values.filter((value) => value).map((value) => value!.replaceAll(",", ",,"));
  if (given.length > 0) console.log(`--allow-${kind}=${[...new Set(given)].join()}`);
}
