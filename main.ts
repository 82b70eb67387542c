import { connect } from "./postgres/mod.ts";
import { connectReplica } from "./postgres/replica.ts";
import { observed } from "./postgres/telemetry.ts";
import { lineWriter } from "./routes/_log.ts";
import { createApp } from "./routes/mod.ts";
import { serve, type Server } from "./server.ts";
import { requireSettings } from "./settings.ts";

function fail(message: string): never {
  console.error(message);
  Deno.exit(1);
}

const settings = requireSettings();
if (settings.devKey) {
  const { runningEmbedded, defaultDataDir } = await import("./embedded/mod.ts");
  const embedded = await runningEmbedded(defaultDataDir());
  if (embedded?.port !== settings.database.port) {
    fail("Slate cannot start:\n- SLATE_DEV_KEY is only for the embedded database: unset it");
  }
}

const { database, host, port, poolSize, deadlineMs, drainMs } = settings;
const log = lineWriter(Deno.stdout);
const warn = (msg: string) => log.write(JSON.stringify({ level: "error", msg }));
const connected = connect(database, { size: poolSize, deadlineMs, warn });
const telemetry = Deno.env.get("OTEL_DENO") === "true";
const db = telemetry ? observed(connected, "primary") : connected;
const replica = settings.replica &&
  connectReplica(settings.replica, db, {
    size: poolSize,
    warn,
    observe: telemetry ? (db) => observed(db, "replica") : undefined,
  });
const app = createApp({ ...settings, db, replica, telemetry, log: log.write, warn });

let server: Server;
try {
  server = serve({
    hostname: host,
    port,
    reusePort: settings.reusePort,
    managed: settings.managed,
    warn,
    onListen: ({ hostname, port }) =>
      log.write(JSON.stringify({ level: "info", msg: "listening", hostname, port })),
  }, (request, peer) => app.fetch(request, peer));
} catch (error) {
  if (!(error instanceof Deno.errors.AddrInUse)) throw error;
  fail(`Slate cannot start:\n- ${host}:${port} is in use: stop what listens there, or set PORT`);
}

/** Lets the requests in flight finish, then ends. A second signal, or the limit, ends immediately. */
async function drain() {
  for (const signal of signals) Deno.removeSignalListener(signal, drain);
  Deno.unrefTimer(setTimeout(giveUp, drainMs));
  await server.shutdown();
  await replica?.close();
  await db.close();
  log.flush();
  Deno.exit(0);
}

/** Cuts off what is left, such as a body that never ends or a statement that takes too long. */
function giveUp() {
  const msg = `requests were still in flight after ${drainMs} ms and are cut off`;
  log.write(JSON.stringify({ level: "error", msg }));
  log.flush();
  Deno.exit(1);
}

const signals = ["SIGINT", "SIGTERM"] as const;
for (const signal of signals) Deno.addSignalListener(signal, drain);
