import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { DatabaseSettings } from "./settings.ts";

/** Who asks the server to stop a statement; the protocol names a backend so. */
export interface Backend {
  pid: number;
  secret: number;
}

/** A connection, encrypted where the settings ask for it. `own` gets each socket of it at once. */
export async function dial(
  { host, port, tls, rootCertificate }: DatabaseSettings,
  own: (socket: Socket) => void,
): Promise<Socket> {
  const socket = host.startsWith("/")
    ? connectPlain(`${host}/.s.PGSQL.${port}`)
    : connectPlain({ host, port, noDelay: true });
  own(socket);
  await event(socket, "connect");
  if (tls === "off") return socket;
  socket.write(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47)); // SSLRequest
  const answer = await event(socket, "data") as Uint8Array;
  // Exactly one byte: what follows it unencrypted would be taken for the server's later.
  if (answer.length !== 1 || answer[0] !== 83) {
    socket.destroy();
    throw new Error(
      "the server offers no TLS, which sslmode asks for",
    );
  }
  const secure = connectTls({
    socket,
    host,
    servername: isIP(host) ? undefined : host,
    ca: rootCertificate && readFileSync(rootCertificate),
    rejectUnauthorized: tls === "verified",
  });
  own(secure);
  await event(secure, "secureConnect");
  return secure;
}

/**
 * Asks the server, through a connection of its own as the protocol wants it, to stop what the
 * backend is at. Resolves when the server has taken the request, or cannot be asked: it never says.
 */
export async function cancel(
  settings: DatabaseSettings,
  { pid, secret }: Backend,
  own: (socket: Socket) => void,
) {
  const request = new DataView(new ArrayBuffer(16));
  [16, 80877102, pid, secret].forEach((word, i) => request.setUint32(i * 4, word));
  try {
    const socket = await dial(settings, own);
    // The server hangs up, never we: PgBouncer before 1.21 forgets a request whose sender has hung up,
    // or ends altogether.
    socket.write(new Uint8Array(request.buffer));
    socket.resume();
    await event(socket, "close");
  } catch {
    // Whoever asks does not rely on it.
  }
}

/** The driver hands over what it has gathered as soon as it is so many bytes. */
const handedOver = 1024;

/**
 * Makes one write of all that is written in one turn of the event loop: each costs as much as a
 * tenth of a request. What is shorter than `handedOver` is the last of its turn.
 */
export function gathering(socket: Socket): Socket {
  const write = socket.write.bind(socket) as (bytes: Uint8Array) => boolean;
  let pieces: Uint8Array[] = [];
  function flush() {
    const all = pieces.length > 1 ? Buffer.concat(pieces) : pieces[0];
    pieces = [];
    if (all && socket.writable) write(all);
  }
  return Object.assign(socket, {
    write(piece: Uint8Array) {
      pieces.push(piece);
      if (piece.length < handedOver) flush();
      // The last one of this turn is handed over in the next.
      else if (pieces.length === 1) setImmediate(() => setImmediate(flush));
      return true;
    },
  });
}

/** What the event brings; throws when the socket fails or closes before. */
function event(socket: Socket, name: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const closed = () => reject(new Error("the server closed the connection"));
  socket.once(name, resolve).once("error", reject).once("close", closed);
  return promise.finally(() => {
    socket.off(name, resolve).off("error", reject).off("close", closed);
  });
}
