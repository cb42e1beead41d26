import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SERVER_IP } from "./lab/namespaces.ts";
import { LabProcess, waitFor } from "./lab/processes.ts";
import { canConnect } from "./load/connect.ts";
import type { Protocol } from "./subjects/subject.ts";

export const APPLICATION_PORT = 8080;
/** Bytes of every reply's body. */
export const BODY_BYTES = 1024;

/** The application behind the proxies: nginx answering 1 KB from memory, or a source of bytes for opaque TCP. */
export async function startApplication(protocol: Protocol, dir: string): Promise<LabProcess> {
  const process =
    protocol === "opaque"
      ? new LabProcess("application", "server", [
          Bun.argv[0],
          join(import.meta.dir, "load", "byte-source.ts"),
          String(APPLICATION_PORT),
        ])
      : new LabProcess("application", "server", [
          "nginx",
          "-p",
          dir,
          "-c",
          configuration(protocol, join(dir, "application")),
        ]);
  await waitFor("the application", process, () => canConnect("server", SERVER_IP, APPLICATION_PORT));
  return process;
}

function configuration(protocol: Protocol, home: string): string {
  mkdirSync(home, { recursive: true });
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${home}/${kind};`)
    .join(" ");
  const file = join(home, "nginx.conf");
  writeFileSync(
    file,
    `daemon off; worker_processes 1; user root; pid ${home}/nginx.pid; error_log ${home}/error.log; 
     events { worker_connections 8000; }
     http { access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; ${temps}
       server { listen ${APPLICATION_PORT}${protocol === "http2" ? " http2" : ""}; http2_max_concurrent_streams 1000;
         location / { default_type text/plain; add_header x-seen-client "$http_l5d_client_id"; return 200 "${"x".repeat(BODY_BYTES)}"; } } }`,
  );
  return file;
}
