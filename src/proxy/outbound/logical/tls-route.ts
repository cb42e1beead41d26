import { readClientHello } from "#tls-hello";
import type { ClientPolicy, TcpRule } from "./policy.ts";

/** The rule for a client's own TLS by the server name it asks for; undefined when it says none that matches. */
export function ruleForTls(policy: ClientPolicy, hello: Uint8Array): TcpRule | undefined {
  const read = readClientHello(hello);
  const sni = read.kind === "hello" ? read.sni : undefined;
  return policy.tls.find((rule) => (sni === undefined ? rule.rank === 0 : rule.matches(sni)));
}
