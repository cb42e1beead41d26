import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { StatusError } from "../store/status.ts";
import { ISSUER, type TokenIssuer } from "./tokens.ts";
import { ANONYMOUS, AUTHENTICATED, MASTERS, type User } from "./users.ts";

/** Paths that answer without credentials: probes and the version. */
const OPEN_PATHS = new Set(["/healthz", "/livez", "/readyz", "/version"]);

/**
 * The user of a request: its client certificate, else its bearer token. Unauthorized when it has neither, or a token
 * that is not good; a bad token is never taken for no token.
 */
export function authenticate(request: IncomingMessage, pathname: string, tokens: TokenIssuer): User {
  const certificate = userOfCertificate(request.socket as TLSSocket);
  if (certificate) return certificate;
  const header = request.headers.authorization ?? "";
  if (/^bearer /i.test(header)) {
    const holder = tokens.verify(header.slice("bearer ".length).trim());
    if (holder?.audiences.includes(ISSUER)) return holder.user;
    throw unauthorized();
  }
  if (OPEN_PATHS.has(pathname) || pathname.startsWith("/livez/") || pathname.startsWith("/readyz/")) return ANONYMOUS;
  throw unauthorized();
}

function unauthorized(): StatusError {
  return new StatusError("Unauthorized", "Unauthorized");
}

/** CN is the user, O the groups, as Kubernetes reads client certificates. Only certificates of our CA count. */
function userOfCertificate(socket: TLSSocket): User | undefined {
  if (socket.authorized !== true) return undefined;
  const subject = socket.getPeerCertificate?.()?.subject as { CN?: string; O?: string | string[] } | undefined;
  if (!subject?.CN) return undefined;
  const organizations = subject.O === undefined ? [] : Array.isArray(subject.O) ? subject.O : [subject.O];
  return { name: subject.CN, groups: [...organizations, AUTHENTICATED] };
}

/**
 * Impersonation (`--as`, `--as-group`): the playground's admin may act as anybody, others may not.
 * Returns the user to act as.
 */
export function impersonate(request: IncomingMessage, user: User): User {
  const name = one(request.headers["impersonate-user"]);
  if (name === undefined) return user;
  if (!user.groups.includes(MASTERS))
    throw StatusError.forbidden(
      "users",
      name,
      `User "${user.name}" cannot impersonate resource "users" in API group "" at the cluster scope`,
    );
  const groups = request.rawHeaders.flatMap((header, i) =>
    i % 2 === 0 && header.toLowerCase() === "impersonate-group" ? [request.rawHeaders[i + 1]!] : [],
  );
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name);
  const implied = account ? ["system:serviceaccounts", `system:serviceaccounts:${account[1]}`] : [];
  return { name, groups: [...new Set([...groups, ...implied, AUTHENTICATED])] };
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
