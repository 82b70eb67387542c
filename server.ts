/*
 * HTTP on a listener of our own. Deno.serve closes no connection, however silent, and ends when an
 * accept fails, as it does at the limit of open files. Deno's own function for a single connection
 * is as fast; around it stand a bound and a clock. It is no public part of Deno: where it is missing,
 * and where the platform has a listener of its own, Deno.serve serves.
 */

/** Whom a request comes from. */
export interface Peer {
  remoteAddr: Deno.Addr;
  /** A piece of a long answer was taken, or with `true` its last. */
  took?(last: boolean): void;
  /** What the request in hand does when its caller hangs up. */
  leave?: () => void;
}

export type Handler = (request: Request, peer: Peer) => Response | Promise<Response>;

export interface ServeOptions {
  hostname: string;
  port: number;
  onListen(address: Deno.NetAddr): void;
  warn(message: string): void;
  /** The platform has a listener of its own, and looks after its connections. */
  managed?: boolean;
}

export interface Server {
  /** Refuses what comes, lets the requests in hand finish, and closes every connection. */
  shutdown(): Promise<void>;
}

/** Milliseconds that a connection has */
const patience = {
  /** for its first request, head and all; */
  first: 10_000,
  /** for its next one: longer than a proxy keeps it, so that it is the proxy who closes; */
  next: 75_000,
  /** to take a piece of a long answer; */
  piece: 20_000,
  /** after an answer that says `connection: close`; */
  told: 1000,
  /** after its last answer, while the server shuts down. */
  drain: 500,
};

/** How often the connections are looked after, in milliseconds. */
const round = 250;

/** How long a request is in hand before it is asked whether its caller still waits. */
const watchAfter = 500;

/** Connections at most. */
const most = 4096;

/** Descriptors that are left to the database and to files where a process may open no more. */
const spare = 32;

/** What Deno makes of one connection. */
interface SingleServer {
  finished: Promise<void>;
  shutdown(): Promise<void>;
}

type ServeConnection = (
  connection: Deno.Conn,
  signal: AbortSignal,
  handler: (request: Request) => Promise<Response>,
  onError: (error: unknown) => Response,
  onListen: () => void,
) => SingleServer;

/** Listens, and hands each request to the handler, which throws nothing. Throws as Deno.listen. */
export function serve(options: ServeOptions, handler: Handler): Server {
  const { internal } = Deno as unknown as { internal: symbol };
  const parts = Deno as unknown as Record<symbol, { serveHttpOnConnection?: ServeConnection }>;
  const serveConnection = parts[internal]?.serveHttpOnConnection;
  if (serveConnection && !options.managed) return new OwnServer(options, handler, serveConnection);
  if (!options.managed) options.warn("this Deno bounds no connections: put a proxy in front");
  return Deno.serve(options, (request, { remoteAddr }) => handler(request, { remoteAddr }));
}

class OwnServer implements Server {
  readonly #listener: Deno.Listener;
  readonly #connections = new Set<Connection>();
  readonly #accepting: Promise<void>;
  readonly #timer = setInterval(() => this.#lookAfter(), round);
  #bound = most;
  #closing = false;

  constructor(
    readonly options: ServeOptions,
    readonly handler: Handler,
    readonly serveConnection: ServeConnection,
  ) {
    now = performance.now();
    const { hostname, port, onListen } = options;
    const listener = Deno.listen({ hostname, port });
    this.#listener = listener;
    this.#accepting = this.#accept();
    onListen(listener.addr);
  }

  async #accept() {
    while (!this.#closing) {
      try {
        this.#open(await this.#listener.accept());
      } catch (error) {
        if (this.#closing) return;
        // As a rule no descriptor is left. Who is connected goes on, and the quietest make room.
        this.#bound = Math.max(1, this.#connections.size - spare);
        this.#makeRoom();
        const text = `accept failed: ${
          (error as Error).message
        }; keeping ${this.#bound} connections`;
        this.options.warn(text);
        await pause(round);
      }
    }
  }

  #open(connection: Deno.Conn) {
    this.#makeRoom();
    if (this.#connections.size >= this.#bound) return connection.close();
    const one = new Connection(connection, this.handler, this.serveConnection);
    this.#connections.add(one);
    one.ended.then(() => this.#connections.delete(one));
  }

  /** At the bound those are closed that are quiet for longest, those that never asked first. */
  #makeRoom() {
    const over = this.#connections.size - this.#bound;
    if (over < 0) return;
    const quiet = Array.from(this.#connections).filter(({ inHand }) => inHand === 0)
      .sort((a, b) => Number(a.asked) - Number(b.asked) || a.since - b.since);
    // Some more than one, so that a flood does not sort them for each that comes.
    for (const one of quiet.slice(0, over + spare)) {
      one.close();
      this.#connections.delete(one);
    }
  }

  #lookAfter() {
    now = performance.now();
    for (const one of this.#connections) {
      if (one.inHand > 0) {
        if (now - one.since > watchAfter) one.watch();
      } else if (now - one.since > one.patience) one.close();
    }
    if (this.#connections.size < this.#bound / 2) this.#bound = most;
  }

  async shutdown() {
    this.#closing = true;
    this.#listener.close();
    await this.#accepting;
    for (const one of this.#connections) one.drain();
    // Whoever owes us the rest of a body that nobody will read does not end by himself.
    const waits = (one: Connection) => one.inHand > 0 || now - one.since <= patience.drain;
    while (this.#connections.values().some(waits)) await pause(20);
    clearInterval(this.#timer);
  }
}

/** What the clock said in the last round. To read it at each request would cost more than the rest. */
let now = performance.now();

class Connection implements Peer {
  readonly remoteAddr: Deno.Addr;
  readonly ended: Promise<void>;
  leave?: () => void;
  /** Requests that are not answered yet. */
  inHand = 0;
  /** Whether a whole request has come. */
  asked = false;
  /** When something happened last. */
  since = now;
  patience: number = patience.first;
  #request?: Request;
  #watched?: Request;
  #draining = false;
  readonly #abort = new AbortController();
  readonly #server: SingleServer;

  constructor(connection: Deno.Conn, handler: Handler, serveConnection: ServeConnection) {
    this.remoteAddr = connection.remoteAddr;
    const answer = async (request: Request) => {
      this.#begin(request);
      const response = await handler(request, this);
      this.#end(response);
      return response;
    };
    this.#server = serveConnection(connection, this.#abort.signal, answer, onError, () => {});
    // A connection that breaks is no error of ours.
    this.ended = this.#server.finished.catch(() => {});
  }

  #begin(request: Request) {
    // Only HTTP/2 asks twice before it is answered. It is for proxies, which speak HTTP/1.1 to us.
    if (++this.inHand > 1) this.close();
    this.asked = true;
    this.since = now;
    this.#request = request;
  }

  #end(response: Response) {
    this.inHand--;
    this.leave = undefined;
    this.#request = undefined;
    this.since = now;
    const told = response.status >= 400 && response.headers.get("connection") === "close";
    this.patience = told ? patience.told : patience.next;
    // Once this answer has been handed over: an end before it takes the request's body away.
    if (this.#draining) setTimeout(() => this.drain(), 0);
  }

  took(last: boolean) {
    this.since = now;
    this.patience = last ? patience.next : patience.piece;
  }

  /** From here on the request's leave() is called when the peer hangs up. */
  watch() {
    const request = this.#request;
    if (!request || this.#watched === request) return;
    this.#watched = request;
    request.signal.addEventListener("abort", () => {
      if (this.#request === request) this.leave?.();
    });
  }

  close() {
    this.#abort.abort();
  }

  /** Closes as soon as nothing is in hand. */
  drain() {
    this.#draining = true;
    if (this.inHand === 0) this.#server.shutdown().catch(() => {});
  }
}

function onError(error: unknown): Response {
  console.error(error);
  return new Response(null, { status: 500 });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
