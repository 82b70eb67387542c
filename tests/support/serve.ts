import { serve } from "../../server.ts";

type Handler = Parameters<typeof serve>[1];

/** What a handler is told of who asks. */
export type Peer = Parameters<Handler>[1];

/** server.ts in this process, on a free port, warning nobody. Disposing shuts it down. */
export function startServer(handler: Handler = () => new Response("ok")) {
  let port = 0;
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    warn() {},
    onListen: (address) => void (port = address.port),
  }, handler);
  return { server, port, [Symbol.asyncDispose]: () => server.shutdown() };
}
