import type { DatabaseSettings } from "../../postgres/settings.ts";

/** What becomes of a connection after the bytes that may pass: it breaks, or nothing more comes. */
type Fault = "cut" | "silence";

export interface Proxy extends AsyncDisposable {
  /** The server's settings, by way of the proxy. */
  settings: DatabaseSettings;
  /** Connections that were accepted so far. */
  accepted: number;
  /** Connections that a limit has cut so far. */
  cuts: number;
  /** Pieces that came from clients so far: one for each of their writes that is not too long. */
  pieces: number;
  /** Lets so many bytes of the server's answers pass, then does what `fault` says. */
  limit(bytes: number, fault: Fault): void;
  /** From now on each of the server's answers takes so many milliseconds longer. */
  delay(milliseconds: number): void;
  /** No limit and no delay any more. */
  heal(): void;
  /** What comes from clients that are connected now waits until another one has come and gone. */
  letOvertake(): void;
  /** Resolves when that has happened. */
  overtaken(): Promise<void>;
}

/** A proxy in front of a PostgreSQL that can fail as networks do. On a Unix socket if `path`. */
export function openProxy(server: DatabaseSettings, path?: string): Proxy {
  const listener = path
    ? Deno.listen({ transport: "unix", path: `${path}/.s.PGSQL.5432` })
    : Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const pipes = new Set<Promise<void>>();
  let left = Infinity;
  let fault: Fault = "cut";
  let latencyMs = 0;
  let held = new Set<Deno.Conn>();
  let overtaken = Promise.withResolvers<void>();

  async function pipe(from: Deno.Conn, to: Deno.Conn, limited: boolean) {
    const buffer = new Uint8Array(16_384);
    try {
      for (let n; (n = await from.read(buffer)) !== null;) {
        if (!limited) proxy.pieces++;
        if (limited && latencyMs > 0) {
          await new Promise((resolve) => setTimeout(resolve, latencyMs));
        }
        if (!limited && held.has(from)) await overtaken.promise;
        const passing = limited ? Math.min(n, left) : n;
        if (limited) left -= passing;
        for (let at = 0; at < passing;) at += await to.write(buffer.subarray(at, passing));
        if (!limited || left > 0 || fault !== "cut") continue;
        proxy.cuts++;
        break;
      }
    } catch {
      // One side is gone, so the other goes as well.
    }
    close(from);
    close(to);
    if (!held.has(from) && !held.has(to)) overtaken.resolve();
  }

  function close(connection: Deno.Conn) {
    if (open.delete(connection)) connection.close();
  }

  function track(work: Promise<void>) {
    pipes.add(work);
    work.finally(() => pipes.delete(work));
  }

  async function serve() {
    for await (const client of listener) {
      proxy.accepted++;
      open.add(client);
      if (left <= 0 && fault === "cut") {
        close(client);
        continue;
      }
      try {
        const upstream = await Deno.connect({ hostname: server.host, port: server.port });
        open.add(upstream);
        track(pipe(client, upstream, false));
        track(pipe(upstream, client, true));
      } catch {
        // No server behind it is a refused connection in front of it.
        close(client);
      }
    }
  }

  const settings = path
    ? { ...server, host: path, port: 5432 }
    : { ...server, host: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port };
  const proxy: Proxy = {
    settings,
    accepted: 0,
    cuts: 0,
    pieces: 0,
    limit(bytes, then) {
      left = bytes;
      fault = then;
    },
    delay(milliseconds) {
      latencyMs = milliseconds;
    },
    heal() {
      left = Infinity;
      latencyMs = 0;
    },
    letOvertake() {
      held = new Set(open);
      overtaken = Promise.withResolvers();
    },
    overtaken: () => overtaken.promise,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) close(connection);
      await Promise.all([serving, ...pipes]);
    },
  };
  const serving = serve();
  return proxy;
}
