import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SERVER_NAME } from "../lab/certificates.ts";
import { CLIENT_IP, type Host, SERVER_IP } from "../lab/namespaces.ts";
import { LabProcess, waitFor } from "../lab/processes.ts";
import { canConnect } from "../load/connect.ts";
import { running } from "./nginx.ts";
import { INBOUND_PORT, type LabPaths, OUTBOUND_PORT, type Protocol, type Subject } from "./subject.ts";

/** HAProxy at its best for this job: one thread, connection reuse, TLS 1.3 with AES-128, no logs. */
export const haproxy: Subject = {
  name: "haproxy",
  async start(protocol, paths) {
    const outbound = launch("client", "outbound", paths, outboundProxy(protocol, paths), protocol);
    const inbound = launch("server", "inbound", paths, inboundProxy(protocol, paths), protocol);
    await waitFor("HAProxy inbound", inbound, () => canConnect("server", SERVER_IP, INBOUND_PORT));
    await waitFor("HAProxy outbound", outbound, () => canConnect("client", CLIENT_IP, OUTBOUND_PORT));
    return running([outbound, inbound], paths.certificates);
  },
};

function launch(host: Host, name: string, paths: LabPaths, proxy: string, protocol: Protocol): LabProcess {
  const file = join(paths.dir, `haproxy-${name}.cfg`);
  writeFileSync(
    file,
    `
global
  nbthread 1
  maxconn 8000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
defaults
  mode ${protocol === "opaque" ? "tcp" : "http"}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  ${protocol === "opaque" ? "" : "timeout http-keep-alive 1h\n  http-reuse always"}
${proxy}
`,
  );
  return new LabProcess(`HAProxy ${name}`, host, ["haproxy", "-f", file]);
}

function outboundProxy(protocol: Protocol, { certificates: { dir, ca } }: LabPaths): string {
  const tls = `ssl crt ${dir}/client.pem ca-file ${ca} verify required sni str(${SERVER_NAME}) verifyhost ${SERVER_NAME}`;
  return `
frontend outbound
  bind ${CLIENT_IP}:${OUTBOUND_PORT}${protocol === "http2" ? " proto h2" : ""}
  default_backend next
backend next
  server next ${SERVER_IP}:${INBOUND_PORT} ${tls}${protocol === "http2" ? " alpn h2" : ""} pool-max-conn 256`;
}

function inboundProxy(protocol: Protocol, { certificates: { dir, ca }, applicationPort }: LabPaths): string {
  return `
frontend inbound
  bind ${SERVER_IP}:${INBOUND_PORT} ssl crt ${dir}/server.pem ca-file ${ca} verify required${protocol === "http2" ? " alpn h2" : ""}
  ${protocol === "opaque" ? "" : "http-request set-header l5d-client-id %[ssl_c_s_dn(cn)]"}
  default_backend application
backend application
  server application 127.0.0.1:${applicationPort}${protocol === "http2" ? " proto h2" : ""} pool-max-conn 256`;
}
