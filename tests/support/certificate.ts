import { createSign, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { isIPv4 } from "node:net";

/** A certificate and its private key, both PEM. */
export interface Certificate {
  certificate: string;
  key: string;
}

export interface Authority {
  /** PEM, for sslrootcert. */
  certificate: string;
  /** Signs a server's certificate for a name or an IPv4 address. */
  issue(host: string): Certificate;
}

/** An authority that nobody trusts yet. node:crypto reads certificates and cannot make them. */
export function createAuthority(): Authority {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = `Slate's test authority ${randomBytes(4).toString("hex")}`;
  const isAuthority = extension([2, 5, 29, 19], sequence(tlv(0x01, [0xff])));
  return {
    certificate: sign(name, name, keys.publicKey, keys.privateKey, isAuthority),
    issue(host) {
      const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const alternative = isIPv4(host)
        ? tlv(0x87, host.split(".").map(Number))
        : tlv(0x82, new TextEncoder().encode(host));
      return {
        certificate: sign(
          host,
          name,
          own.publicKey,
          keys.privateKey,
          extension([2, 5, 29, 17], sequence(alternative)),
        ),
        key: own.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
      };
    },
  };
}

/** The DER of X.509 version 3, valid from yesterday until tomorrow, signed by ECDSA with SHA-256. */
function sign(
  subject: string,
  issuer: string,
  publicKey: KeyObject,
  authority: KeyObject,
  extension: Uint8Array,
): string {
  const algorithm = sequence(objectId([1, 2, 840, 10045, 4, 3, 2]));
  const day = 86_400_000;
  const content = sequence(
    tlv(0xa0, tlv(0x02, [2])),
    tlv(0x02, [1, ...randomBytes(8)]),
    algorithm,
    commonName(issuer),
    sequence(time(Date.now() - day), time(Date.now() + day)),
    commonName(subject),
    new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    tlv(0xa3, sequence(extension)),
  );
  const signature = createSign("SHA256").update(content).sign(authority);
  const der = sequence(content, algorithm, tlv(0x03, [0, ...signature]));
  const lines = der.toBase64().match(/.{1,64}/g)!.join("\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** Tag, length, value: what everything in DER is made of. */
function tlv(tag: number, value: Iterable<number>): Uint8Array {
  const bytes = [...value];
  const size = bytes.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Uint8Array.from([tag, ...length, ...bytes]);
}

function sequence(...parts: Uint8Array[]): Uint8Array {
  return tlv(0x30, parts.flatMap((part) => [...part]));
}

function objectId([first, second, ...rest]: number[]): Uint8Array {
  const base128 = (n: number): number[] => {
    const septets = [n & 127];
    for (let left = n >> 7; left > 0; left >>= 7) septets.unshift(left & 127 | 128);
    return septets;
  };
  return tlv(0x06, [first! * 40 + second!, ...rest.flatMap(base128)]);
}

function commonName(name: string): Uint8Array {
  const value = tlv(0x0c, new TextEncoder().encode(name));
  return sequence(tlv(0x31, sequence(objectId([2, 5, 4, 3]), value)));
}

function extension(id: number[], value: Uint8Array): Uint8Array {
  return sequence(objectId(id), tlv(0x04, value));
}

function time(milliseconds: number): Uint8Array {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, "");
  return tlv(0x18, new TextEncoder().encode(text));
}
