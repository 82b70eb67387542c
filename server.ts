/*
 * HTTP on a listener of our own. Deno.serve closes no connection, however silent, and ends when an
 * accept fails, as it does at the limit of open files. Deno's own function for a single connection
 * is as fast; this file bounds the connections in number and time. That function is not public:
 * where it is missing, and where the platform has a listener of its own, Deno.serve serves.
 */

import { setTimeout as pause } from "node:timers/promises";

/** The other end of a request's connection. */
export interface Peer {
  remoteAddr: Deno.Addr;
  /** The peer has read a piece of a long answer; `last`: its last one. */
  pieceRead?(last: boolean): void;
  /** Ends the connection. */
  close?(): void;
  /** Called when the caller hangs up while its request is in flight. */
  leave?: () => void;
  /** The caller has hung up. */
  gone?: boolean;
}

export type Handler = (request: Request, peer: Peer) => Response | Promise<Response>;

export interface ServeOptions {
  hostname: string;
  port: number;
  /** Other processes may listen there as well, and the kernel deals the connections out. */
  reusePort?: boolean;
  onListen(address: Deno.NetAddr): void;
  warn(message: string): void;
  /** The platform has a listener of its own, which bounds its connections. */
  managed?: boolean;
}

export interface Server {
  /** Refuses new connections, lets the requests in flight finish, and closes every connection. */
  shutdown(): Promise<void>;
}

/** How long a connection may be idle, in milliseconds, before it is closed. */
const idleMs = {
  /** Until its first request has come, with its whole head. */
  firstRequest: 10_000,
  /** Until its next one: longer than a proxy keeps it, so that the proxy closes. */
  nextRequest: 75_000,
  /** Until it has read a piece of a long answer. */
  piece: 20_000,
  /** After an answer that says `connection: close`. */
  close: 1000,
  /** After its last answer, or before its first request, while the server shuts down. */
  drain: 500,
};

/** How often idle connections are looked for. */
const sweepMs = 250;

/** How long a request is in flight before we watch whether its caller still waits. */
const watchAfterMs = 500;

const mostConnections = 4096;

/**
 * What accept() says of a connection whose peer was gone before (accept(2); EINVAL on macOS). It is
 * no reason to pause, and none to close others: anybody can hang up at any rate.
 */
const ofThePeer = new Set(
  ["ENOTCONN", "ECONNABORTED", "ECONNRESET", "EINVAL", "EPERM", "EPROTO"]
    .concat("ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH"),
);

/** Descriptors that are left to the database and to files when a process may open no more. */
const spareDescriptors = 32;

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
  return Deno.serve(options, (request, { remoteAddr }) => {
    const peer: Peer = { remoteAddr };
    request.signal.addEventListener("abort", () => {
      peer.gone = true;
      peer.leave?.();
    });
    return handler(request, peer);
  });
}

class OwnServer implements Server {
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Connection>();
  readonly #accepting: Promise<void>;
  readonly #timer = setInterval(() => this.#sweep(), sweepMs);
  #bound = mostConnections;
  #accepted = 0;
  #closing = false;

  constructor(
    readonly options: ServeOptions,
    readonly handler: Handler,
    readonly serveConnection: ServeConnection,
  ) {
    now = performance.now();
    const { hostname, port, reusePort, onListen } = options;
    this.#listener = Deno.listen({ hostname, port, reusePort });
    this.#accepting = this.#accept();
    onListen(this.#listener.addr);
  }

  async #accept() {
    while (!this.#closing) {
      try {
        this.#open(await this.#listener.accept());
      } catch (error) {
        if (this.#closing) return;
        if (ofThePeer.has((error as { code?: string }).code ?? "")) continue;
        // As a rule no descriptor is left. Open connections go on, and the idlest make room.
        this.#bound = Math.max(1, this.#connections.size - spareDescriptors);
        this.#makeRoom();
        const reason = (error as Error).message;
        this.options.warn(`accept failed: ${reason}; keeping ${this.#bound} connections`);
        await pause(sweepMs);
      }
    }
  }

  #open(connection: Deno.Conn) {
    this.#accepted++;
    this.#makeRoom();
    if (this.#connections.size >= this.#bound) return connection.close();
    const one = new Connection(connection, this.handler, this.serveConnection);
    this.#connections.add(one);
    one.ended.then(() => this.#connections.delete(one));
  }

  /** At the bound the idlest connections are closed, first those without any request so far. */
  #makeRoom() {
    const over = this.#connections.size - this.#bound;
    if (over < 0) return;
    const idle = Array.from(this.#connections).filter(({ inFlight }) => inFlight === 0)
      .sort((a, b) => Number(a.hadRequest) - Number(b.hadRequest) || a.since - b.since);
    // More than one, so that a flood does not sort them for each new connection.
    for (const one of idle.slice(0, over + spareDescriptors)) {
      one.close();
      this.#connections.delete(one);
    }
  }

  #sweep() {
    now = performance.now();
    for (const one of this.#connections) {
      if (one.inFlight > 0) {
        if (now - one.since > watchAfterMs) one.watch();
      } else if (now - one.since > one.idleLimitMs) one.close();
    }
    // Who lacked descriptors for a moment has them again; who still does is told so by accept().
    if (this.#connections.size < this.#bound / 2) this.#bound = mostConnections;
    else if (this.#bound < mostConnections) this.#bound++;
  }

  async shutdown() {
    // Whoever is in the kernel's queue when it closes is cut off: first the queue is emptied.
    for (let attempt = 0, before = -1; attempt < 100 && before < this.#accepted; attempt++) {
      before = this.#accepted;
      await pause(1);
    }
    this.#closing = true;
    this.#listener.close();
    await this.#accepting;
    for (const one of this.#connections) one.drain();
    // A peer that still owes the rest of a refused body does not close by itself.
    const waits = (one: Connection) => one.inFlight > 0 || now - one.since <= idleMs.drain;
    while (this.#connections.values().some(waits)) await pause(20);
    for (const one of this.#connections) one.close();
    clearInterval(this.#timer);
  }
}

/** The clock at the last sweep. To read it at each request would cost more than all the rest. */
let now = performance.now();

class Connection implements Peer {
  readonly remoteAddr: Deno.Addr;
  readonly ended: Promise<void>;
  leave?: () => void;
  gone = false;
  /** Requests that are not answered yet. */
  inFlight = 0;
  /** Whether a whole request has come. */
  hadRequest = false;
  /** When it did something last. */
  since = now;
  idleLimitMs: number = idleMs.firstRequest;
  #request?: Request;
  #watched?: Request;
  /** There are more pieces of a long answer. */
  #unread = false;
  #draining = false;
  #ending = false;
  readonly #abort = new AbortController();
  readonly #server: SingleServer;

  constructor(connection: Deno.Conn, handler: Handler, serveConnection: ServeConnection) {
    this.remoteAddr = connection.remoteAddr;
    const answer = async (request: Request) => {
      this.#begin(request);
      return this.#end(await handler(request, this));
    };
    this.#server = serveConnection(connection, this.#abort.signal, answer, onError, () => {});
    // A connection that breaks is no error of ours; Deno keeps what it has of it until it is told to end.
    this.ended = this.#server.finished.catch(() => this.#server.shutdown()).catch(() => {});
  }

  #begin(request: Request) {
    this.inFlight++;
    // Only HTTP/2 sends a second request before the answer is read. Proxies speak HTTP/1.1 to us.
    if (this.#request || this.#unread) this.close();
    this.hadRequest = true;
    this.since = now;
    this.#request = request;
  }

  #end(response: Response): Response {
    this.leave = undefined;
    this.#request = undefined;
    const closes = response.status >= 400 && response.headers.get("connection") === "close";
    this.idleLimitMs = closes ? idleMs.close : idleMs.nextRequest;
    if (!this.#draining) {
      this.#answered();
      return response;
    }
    // After this answer has been handed over, which a busy machine may be late with: an earlier end
    // would cut it off, or take the request's body away.
    setTimeout(() => this.#answered(), 0);
    // So that the caller sends its next request elsewhere, and not while this connection is closed.
    const last = new Response(response.body, response);
    last.headers.set("connection", "close");
    return last;
  }

  #answered() {
    this.inFlight--;
    this.since = now;
    if (this.#draining) this.drain();
  }

  pieceRead(last: boolean) {
    this.since = now;
    this.#unread = !last;
    this.idleLimitMs = last ? idleMs.nextRequest : idleMs.piece;
  }

  /** From now on leave() is called when the peer hangs up. */
  watch() {
    const request = this.#request;
    if (!request || this.#watched === request) return;
    this.#watched = request;
    request.signal.addEventListener("abort", () => {
      if (this.#request !== request) return;
      this.gone = true;
      this.leave?.();
    });
  }

  close() {
    // Deno throws where nobody can catch it when a connection is cut off that was told to end.
    if (!this.#ending) this.#abort.abort();
  }

  /** Closes as soon as nothing is in flight; of who has just come the first request is on its way. */
  drain() {
    this.#draining = true;
    const hasJustCome = !this.hadRequest && now - this.since <= idleMs.drain;
    if (this.inFlight > 0 || hasJustCome) return;
    this.#ending = true;
    this.#server.shutdown().catch(() => {});
  }
}

function onError(error: unknown): Response {
  console.error(error);
  return new Response(null, { status: 500 });
}
