import type { DatabaseSettings } from "../../postgres/settings.ts";

/**
 * A pooler in transaction mode, as far as the tests need one: a client logs in through a server
 * connection of its own; from then on every transaction of every client runs on whichever of the
 * kept server connections is free, the one used last first, as PgBouncer does.
 */
export function createPooler(
  { host, port }: DatabaseSettings,
  options: {
    /** Server connections that are kept. */
    size?: number;
    /** Which of them, in the order of their age, the nth transaction runs on, if it is free. */
    deal?: (nth: number) => number;
  } = {},
): AsyncDisposable & { port: number } {
  const { size = 1, deal } = options;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let transactions = 0;
  let closed = false;
  const open = new Set<Deno.Conn>();
  const kept = new Set<Server>();
  const free: Server[] = [];
  const tasks = [accept()];

  async function accept() {
    for await (const client of listener) {
      open.add(client);
      tasks.push(serve(client).catch(() => {}));
    }
  }

  async function serve(client: Deno.TcpConn) {
    const connection = await Deno.connect({ hostname: host, port });
    open.add(connection);
    connection.setNoDelay();
    client.setNoDelay();
    let server: Server | undefined = { connection, messages: messages(connection), unanswered: 0 };
    tasks.push(forward(server));
    for await (const request of messages(client, true)) {
      if (request[0] === terminate) break;
      if (!server) {
        server = await take();
        tasks.push(forward(server));
      }
      // A client may send the next before the answer: all that a server got, it answers.
      if (request[0] === sync || request[0] === simple) server.unanswered++;
      await write(server.connection, request);
    }
    if (server) close(server.connection);
    close(client);

    /** The server's answers, up to the end of the transaction. */
    async function forward(from: Server) {
      for (;;) {
        const { value, done } = await from.messages.next();
        if (done) return close(client);
        if (value[0] === ready) from.unanswered = Math.max(0, from.unanswered - 1);
        const ended = value[0] === ready && value[5] === idle && from.unanswered === 0;
        // Before the client hears of it and asks for the next.
        if (ended) server = release(from);
        await write(client, value).catch(() => {});
        if (ended) return;
      }
    }
  }

  async function take(): Promise<Server> {
    while (!closed) {
      const dealt = deal ? free.indexOf([...kept][deal(transactions)]!) : free.length - 1;
      const [server] = dealt < 0 ? [] : free.splice(dealt, 1);
      if (server) {
        transactions++;
        return server;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error("the pooler is closed");
  }

  function release(server: Server): undefined {
    if (kept.size < size) kept.add(server);
    if (kept.has(server)) free.push(server);
    else close(server.connection);
  }

  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      closed = true;
      listener.close();
      for (const connection of open) close(connection);
      for (const task of tasks) await task;
    },
  };
}

interface Server {
  connection: Deno.Conn;
  messages: AsyncGenerator<Uint8Array>;
  /** What was sent there and ends by an answer of its own. */
  unanswered: number;
}

const [terminate, ready, idle, sync, simple] = [..."XZISQ"].map((letter) => letter.charCodeAt(0));

/** The messages of the protocol: a letter, a length, the rest; the startup packet has no letter. */
async function* messages(connection: Deno.Conn, startup = false): AsyncGenerator<Uint8Array> {
  let pending = new Uint8Array();
  const chunk = new Uint8Array(65536);
  for (;;) {
    const read = await connection.read(chunk).catch(() => null);
    if (read === null) return;
    pending = new Uint8Array([...pending, ...chunk.subarray(0, read)]);
    for (;;) {
      const head = startup ? 0 : 1;
      if (pending.length < head + 4) break;
      const length = head + new DataView(pending.buffer).getUint32(head);
      if (pending.length < length) break;
      const message = pending.slice(0, length);
      pending = pending.slice(length);
      startup = false;
      yield message;
    }
  }
}

async function write(connection: Deno.Conn, bytes: Uint8Array) {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

function close(connection: Deno.Conn) {
  try {
    connection.close();
  } catch {
    // Its other end was faster.
  }
}
