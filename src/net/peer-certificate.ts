import { connect } from "node:tls";

const HANDSHAKE_TIMEOUT_MS = 10_000;

export interface PeerQuestion {
  readonly host: string;
  readonly port: number;
  /** SNI. */
  readonly serverName: string;
}

/**
 * The chain of certificates that a TLS server shows, leaf first, as DER. For looking at it only: nothing is verified and
 * nothing is sent after the handshake.
 */
export function peerCertificates({ host, port, serverName }: PeerQuestion): Promise<Uint8Array[]> {
  const where = `${serverName} at ${host}:${port}`;
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      socket.destroy();
      reject(new Error(`Cannot read the certificate of ${where}: ${why}`));
    };
    const socket = connect({ host, port, servername: serverName, rejectUnauthorized: false }, () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      socket.end(); // lets the handshake's last flight out; the time limit cuts a server that does not close
      socket.unref();
      if (chain.length > 0) resolve(chain);
      else reject(new Error(`Cannot read the certificate of ${where}: the server shows none`));
    });
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => fail(`no handshake within ${HANDSHAKE_TIMEOUT_MS / 1000} s`));
    socket.once("error", (cause) => fail(cause.message));
    socket.once("close", () => fail("the connection was closed before the handshake ended"));
  });
}

interface Link {
  readonly raw?: Buffer;
  readonly issuerCertificate?: Link;
}

function chainOf(leaf: Link): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<string>(); // a root names itself as its issuer
  for (let link: Link | undefined = leaf; link?.raw; link = link.issuerCertificate) {
    const key = link.raw.toString("base64");
    if (seen.has(key)) break;
    seen.add(key);
    chain.push(new Uint8Array(link.raw));
  }
  return chain;
}
