import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Certificates, SERVER_NAME } from "../lab/certificates.ts";
import { CLIENT_IP, type Host, SERVER_IP } from "../lab/namespaces.ts";
import { LabProcess, waitFor } from "../lab/processes.ts";
import { canConnect } from "../load/connect.ts";
import {
  INBOUND_PORT,
  type LabPaths,
  OUTBOUND_PORT,
  type Protocol,
  type RunningSubject,
  type Subject,
} from "./subject.ts";

/** nginx at its best for this job: one worker, keep-alive pools towards the next hop, TLS 1.3 with AES-128, no logs. */
export const nginx: Subject = {
  name: "nginx",
  async start(protocol, paths) {
    const outbound = launch("client", "outbound", protocol, paths, outboundServer(protocol, paths));
    const inbound = launch("server", "inbound", protocol, paths, inboundServer(protocol, paths));
    await waitFor("nginx inbound", inbound, () => canConnect("server", SERVER_IP, INBOUND_PORT));
    await waitFor("nginx outbound", outbound, () => canConnect("client", CLIENT_IP, OUTBOUND_PORT));
    return running([outbound, inbound], paths.certificates);
  },
};

/** Two processes with the benchmark's own certificates. */
export function running(processes: readonly LabProcess[], { dir, ca }: Certificates): RunningSubject {
  const [certFile, keyFile] = [join(dir, "client.crt"), join(dir, "client.key")];
  return {
    inbound: { host: SERVER_IP, port: INBOUND_PORT, serverName: SERVER_NAME, certFile, keyFile, caFile: ca, as: [] },
    target: { host: CLIENT_IP, port: OUTBOUND_PORT },
    hops: () => processes.map((process) => process.pids()),
    stop: async () => void (await Promise.all(processes.map((process) => process.stop()))),
  };
}

function launch(host: Host, name: string, protocol: Protocol, paths: LabPaths, server: string): LabProcess {
  const home = join(paths.dir, `nginx-${name}`);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "nginx.conf"), configuration(home, protocol, server));
  return new LabProcess(`nginx ${name}`, host, [
    "nginx",
    "-p",
    home,
    "-c",
    join(home, "nginx.conf"),
    "-e",
    join(home, "error.log"),
  ]);
}

function configuration(home: string, protocol: Protocol, server: string): string {
  const block = protocol === "opaque" ? "stream" : "http";
  const http = "access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s;";
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${home}/${kind};`)
    .join(" ");
  const stream = protocol === "opaque" ? `load_module ${streamModule()};` : "";
  return `
    ${stream} daemon off; worker_processes 1; user root; pid ${home}/nginx.pid; 
    events { worker_connections 8000; }
    ${block} { ${protocol === "opaque" ? "" : `${http} ${temps}`} ${server} }`;
}

function outboundServer(protocol: Protocol, { certificates: { dir, ca } }: LabPaths): string {
  const tls = `
    proxy_ssl_certificate ${dir}/client.crt; proxy_ssl_certificate_key ${dir}/client.key; proxy_ssl_trusted_certificate ${ca};
    proxy_ssl_verify on; proxy_ssl_name ${SERVER_NAME}; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3;
    proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;`;
  const upstream = `upstream next { server ${SERVER_IP}:${INBOUND_PORT}; ${protocol === "opaque" ? "" : "keepalive 256; keepalive_requests 1000000000;"} }`;
  if (protocol === "opaque")
    return `${upstream} server { listen ${CLIENT_IP}:${OUTBOUND_PORT}; proxy_pass next; proxy_ssl on; ${tls} }`;
  return `${upstream} server { listen ${CLIENT_IP}:${OUTBOUND_PORT};
    location / { proxy_pass https://next; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; ${tls} } }`;
}

function inboundServer(protocol: Protocol, { certificates: { dir, ca }, applicationPort }: LabPaths): string {
  const tls = `
    ssl_certificate ${dir}/server.crt; ssl_certificate_key ${dir}/server.key; ssl_client_certificate ${ca}; ssl_verify_client on;
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;`;
  const upstream = `upstream application { server 127.0.0.1:${applicationPort}; ${protocol === "opaque" ? "" : "keepalive 256; keepalive_requests 1000000000;"} }`;
  if (protocol === "opaque")
    return `${upstream} server { listen ${SERVER_IP}:${INBOUND_PORT} ssl; proxy_pass application; ${tls} }`;
  return `${upstream} server { listen ${SERVER_IP}:${INBOUND_PORT} ssl; ${tls}
    location / { proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header l5d-client-id $ssl_client_s_dn; } }`;
}

/** Debian's nginx keeps stream apart; it lies beside wherever nginx came from. */
function streamModule(): string {
  const roots = ["/usr", join(import.meta.dir, "../../.tools/debian/usr")];
  const found = roots
    .map((root) => join(root, "lib/nginx/modules/ngx_stream_module.so"))
    .find((file) => existsSync(file));
  if (!found) throw new Error("nginx has no stream module: install libnginx-mod-stream");
  return found;
}
