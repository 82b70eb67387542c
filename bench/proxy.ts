/** Milliseconds in each direction to a database that is far away. */
export const oneWayMs = 10;

/** A way to a server on this machine that is as far as another town. */
export interface Proxy extends AsyncDisposable {
  port: number;
}

/** Hands each piece on after `delayMs`, in either direction and in order. */
export function createProxy(to: { host: string; port: number }, delayMs: number): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();

  async function pass(from: Deno.TcpConn, into: Deno.TcpConn) {
    // Each write waits for the one before, and all of them for their own delay.
    let last = Promise.resolve();
    try {
      for await (const piece of from.readable) {
        const due = new Promise((resolve) => setTimeout(resolve, delayMs));
        last = Promise.all([last, due]).then(() => write(into, piece));
        last.catch(() => {});
      }
      await last;
    } catch {
      // Either side hung up: so does the other one.
    }
    for (const conn of [from, into]) {
      if (open.delete(conn)) close(conn);
    }
  }

  const accepting = (async () => {
    for await (const near of listener) {
      const far = await Deno.connect({ hostname: to.host, port: to.port });
      for (const conn of [near, far]) {
        conn.setNoDelay(true);
        open.add(conn);
      }
      pass(near, far);
      pass(far, near);
    }
  })();

  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of open) close(conn);
      open.clear();
      await accepting;
    },
  };
}

async function write(conn: Deno.TcpConn, bytes: Uint8Array) {
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}

function close(conn: Deno.TcpConn) {
  try {
    conn.close();
  } catch {
    // It was closed already.
  }
}
