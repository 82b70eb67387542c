/** What connections cost that harm, to whoever harms none [43]. */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { once } from "node:events";
import { connect } from "node:net";
import { soon, until } from "../support/pool.ts";
import { freePort, type Process, startProcess } from "../support/process.ts";
import { root } from "../support/root.ts";
import { dial, stopClock } from "../support/socket.ts";
import { type Peer, startServer } from "../support/serve.ts";

const { tasks } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));

/** `deno task start` whose database is away: nothing here needs it. */
async function startMain(files?: number) {
  const port = freePort();
  const env = { DATABASE_URL: "postgres://u@127.0.0.1:1/x", PORT: String(port) };
  const main = startProcess(tasks.start.command.split(" ").slice(1), env, undefined, files);
  await main.says(/"listening"/);
  return { port, main };
}

async function live(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/api/health/live`);
  await response.body?.cancel();
  return response.status;
}

/** Megabytes. */
async function memoryOf({ pid }: Process): Promise<number> {
  const args = ["-o", "rss=", "-p", String(pid)];
  const { stdout } = await new Deno.Command("ps", { args }).output();
  return Number(new TextDecoder().decode(stdout)) / 1000;
}

async function dialAll(n: number, port: number, text = "") {
  const all = new DisposableStack();
  const connections = [];
  for (let i = 0; i < n; i++) {
    const connection = all.use(await dial(port));
    if (text) await connection.write(text);
    connections.push(connection);
  }
  return { connections, [Symbol.dispose]: () => all.dispose() };
}

const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

Deno.test({
  name:
    "connections: 500 silent ones where 256 files may be open end nothing, and others are served [43]",
  ignore: Deno.build.os === "windows",
  async fn() {
    const { port, main } = await startMain(256);
    await using _ended = main;
    using friend = await dial(port);
    await friend.write(ask("/api"));
    assertMatch(await friend.until("}"), /^HTTP\/1\.1 200/);
    using _silent = await dialAll(500, port);
    await main.says(/accept failed: .*open files/);
    await until(async () => await live(port).catch(() => 0) === 200);
    await friend.write(ask("/api"));
    assertMatch(await friend.until("}"), /^HTTP\/1\.1 200/);
    assertEquals(await live(port), 200);
  },
});

/** server.ts where something comes before each accept(), and may fail. */
function startServing(before: () => Promise<void>, handler?: Parameters<typeof startServer>[0]) {
  const { listen } = Deno;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    const accept = listener.accept.bind(listener);
    return Object.assign(listener, { accept: () => before().then(accept) });
  }) as typeof Deno.listen;
  try {
    return startServer(handler);
  } finally {
    Deno.listen = listen;
  }
}

Deno.test("connections: after a moment without descriptors there is room again, though some stay [43]", async () => {
  let lacks = false;
  let inFlight = false;
  const gate = Promise.withResolvers<void>();
  await using server = startServing(() => {
    if (!lacks) return Promise.resolve();
    lacks = false;
    return Promise.reject(Object.assign(new Error("Too many open files"), { code: "EMFILE" }));
  }, async (request) => {
    inFlight ||= request.url.endsWith("/slow");
    if (request.url.endsWith("/slow")) await gate.promise;
    return new Response("ok");
  });
  using friend = await dial(server.port);
  await friend.write(ask("/slow"));
  await until(() => inFlight);
  lacks = true;
  using _last = await dial(server.port);
  await until(() => !lacks);
  // As many were kept as are in flight, and that one stays.
  await until(async () => {
    using other = await dial(server.port);
    await other.write(ask("/")).catch(() => {});
    return (await other.until("ok").catch(() => "")).endsWith("ok");
  });
  gate.resolve();
  assertMatch(await friend.until("ok"), /^HTTP\/1\.1 200/);
});

Deno.test({
  name: "connections: those whose peers are gone before they are accepted close no other [43]",
  ignore: Deno.build.os === "windows",
  async fn() {
    let open = Promise.resolve();
    await using server = startServing(() => open);
    using friend = await dial(server.port);
    await friend.write(ask("/"));
    await friend.until("ok");
    const gate = Promise.withResolvers<void>();
    open = gate.promise;
    for (let n = 0; n < 50; n++) {
      const socket = connect({ host: "127.0.0.1", port: server.port });
      await once(socket, "connect");
      socket.resetAndDestroy();
      await once(socket, "close");
    }
    gate.resolve();
    using other = await dial(server.port);
    for (const one of [other, friend]) {
      await one.write(ask("/"));
      assertMatch(await one.until("ok"), /^HTTP\/1\.1 200/);
    }
  },
});

Deno.test("connections: one that is silent, sends half a head, or a byte now and then is closed after 10 s [43]", async () => {
  using clock = stopClock();
  await using server = startServer();
  using silent = await dial(server.port);
  using half = await dial(server.port);
  using slow = await dial(server.port);
  await half.write("GET / HTTP/1.1\r\nHo");
  await slow.write("GET / HTTP/1.1\r\nX: ");
  const dripping = setInterval(() => slow.write("x").catch(() => {}), 50);
  try {
    // A byte that comes when it is closed is answered by a reset.
    const reset = (error: unknown) => error instanceof Deno.errors.ConnectionReset ? "" : "?";
    const closed = Promise.all([silent.rest(), half.rest(), slow.rest().catch(reset)]);
    assertEquals(await clock.until(closed, 1000), ["", "", ""]);
  } finally {
    clearInterval(dripping);
  }
});

Deno.test("connections: an idle one is closed after 75 s, and one whose answer says close after a second [43]", async () => {
  using clock = stopClock();
  let told = false;
  await using server = startServer(() =>
    told
      ? new Response("no", { status: 413, headers: { connection: "close" } })
      : new Response("ok")
  );
  using idle = await dial(server.port);
  await idle.write(ask("/"));
  await idle.until("ok");
  told = true;
  using other = await dial(server.port);
  await other.write(ask("/"));
  await other.until("no");
  clock.by(2000);
  assertEquals(await soon(other.rest()), "");
  using last = await dial(server.port);
  await last.write(ask("/"));
  await last.until("no");
  told = false;
  clock.by(60_000);
  // Whoever looked at it has looked at the idle one as well.
  assertEquals(await soon(last.rest()), "");
  await idle.write(ask("/"));
  assertMatch(await idle.until("ok"), /^HTTP\/1\.1 200/);
  assertEquals(await clock.until(idle.rest(), 10_000), "");
});

Deno.test("connections: a second request at once, which only HTTP/2 can send, ends the connection [43]", async () => {
  const { port, main } = await startMain();
  await using _ended = main;
  const args = ["--silent", "--http2-prior-knowledge", "--write-out", "%{http_code}"];
  const { stdout } = await new Deno.Command("curl", {
    args: [...args, `http://127.0.0.1:${port}/api/docs`],
  }).output();
  assertMatch(new TextDecoder().decode(stdout), /Host must be host\[:port\].*400$/s);
});

Deno.test({
  name:
    "connections: 400 that ask for the docs page's script and never read it cost less than 200 MB in all [43]",
  ignore: Deno.build.os === "windows",
  async fn() {
    const { port, main } = await startMain();
    await using _ended = main;
    {
      using unread = await dialAll(400, port, ask("/api/docs/scalar.js"));
      const heads = await Promise.all(unread.connections.map((one) => one.until(" ")));
      assertEquals(heads.length, 400);
      assertLess(await memoryOf(main), 200); // the issue's own limit
      assertEquals(await live(port), 200);
    }
    // Whoever comes when they are gone gets all of it.
    await until(async () => {
      const response = await fetch(`http://127.0.0.1:${port}/api/docs/scalar.js`);
      const { length } = await response.text();
      return response.status === 200 && length > 4_000_000;
    });
  },
});

Deno.test("connections: an answer that nobody reads is given up after 20 s, and its place is free [43]", async () => {
  using clock = stopClock();
  const gone = Promise.withResolvers<void>();
  let pieces = 0;
  const body = () =>
    new ReadableStream({
      pull(controller) {
        pieces++;
        peer!.pieceRead!(false);
        controller.enqueue(new Uint8Array(65_536));
      },
      cancel: () => gone.resolve(),
    }, { highWaterMark: 0 });
  let peer: Peer | undefined;
  const { server, port } = startServer((_, from) => {
    peer = from;
    return new Response(body());
  });
  using unread = await dial(port);
  await unread.write(ask("/"));
  let before = -1;
  await until(() => {
    const still = pieces === before && pieces > 0;
    before = pieces;
    return Promise.resolve(still);
  });
  assert(pieces < 200, `${pieces} pieces were made for nobody`);
  await clock.until(gone.promise, 5000);
  await server.shutdown();
});

Deno.test("connections: over HTTP/2 a request beside an answer that is not read ends the connection [43]", async () => {
  let pieces = 0;
  const body = () =>
    new ReadableStream({
      pull(controller) {
        pieces++;
        peer!.pieceRead!(false);
        controller.enqueue(new Uint8Array(65_536));
      },
    }, { highWaterMark: 0 });
  let peer: Peer | undefined;
  const { server, port } = startServer((_, from) => {
    peer = from;
    return new Response(body());
  });
  // Each number is below 128, so that the frames are text as well.
  const frame = (type: number, flags: number, stream: number, payload: string) =>
    String.fromCharCode(0, 0, payload.length, type, flags, 0, 0, 0, stream) + payload;
  const field = (name: string, value: string) =>
    ["\0", String.fromCharCode(name.length), name, String.fromCharCode(value.length), value].join(
      "",
    );
  const get = field(":method", "GET") + field(":scheme", "http") + field(":authority", "x") +
    field(":path", "/") + field("host", "x");
  const noWindow = frame(4, 0, 0, "\0\x04\0\0\0\0");
  // The clock stands still, so that nothing but the second request ends it.
  using _clock = stopClock();
  using unread = await dial(port);
  await unread.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + noWindow + frame(1, 5, 1, get));
  await until(() => pieces > 0);
  await unread.write(frame(1, 5, 3, get));
  await soon(unread.rest());
  await server.shutdown();
});
