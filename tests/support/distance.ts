import { Buffer } from "node:buffer";

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

  /** Every piece that is due leaves in one write: the way itself shall cost the machine little. */
  async function pass(from: Deno.TcpConn, into: Deno.TcpConn) {
    const under: Piece[] = [];
    let passing: Promise<void> | undefined;
    const deliver = async () => {
      while (under.length > 0) {
        const wait = under[0]!.due - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, Math.ceil(wait)));
        const now = performance.now();
        const late = under.findIndex(({ due }) => due > now);
        const arrived = under.splice(0, late < 0 ? under.length : late);
        await write(into, Buffer.concat(arrived.map(({ bytes }) => bytes)));
      }
      passing = undefined;
    };
    const room = new Uint8Array(65536);
    try {
      for (let size; (size = await from.read(room)) !== null;) {
        under.push({ bytes: room.slice(0, size), due: performance.now() + delayMs });
        passing ??= deliver();
        passing.catch(() => {});
      }
      await passing;
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

/** What is under way, and when it arrives. */
interface Piece {
  bytes: Uint8Array;
  due: number;
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
