import { SERVER_NAME } from "../lab/certificates.ts";
import { CLIENT_IP, SERVER_IP } from "../lab/namespaces.ts";
import { LabProcess, waitFor } from "../lab/processes.ts";
import { canConnect } from "../load/connect.ts";
import { running } from "./nginx.ts";
import { INBOUND_PORT, OUTBOUND_PORT, type Subject } from "./subject.ts";

/** nghttpx at its best for this job: one worker in the main thread, HTTP/2 on every hop, TLS 1.3 with AES-128, no logs. */
export const nghttpx: Subject = {
  name: "nghttpx",
  async start(_protocol, { certificates, applicationPort }) {
    const { dir, ca } = certificates;
    const common = [
      "--conf=/dev/null",
      "--single-process",
      "--workers=1",
      "--accesslog-file=/dev/null",
      "--errorlog-file=/dev/stderr",
      "--tls-min-proto-version=TLSv1.3",
      "--tls13-ciphers=TLS_AES_128_GCM_SHA256",
      "--tls13-client-ciphers=TLS_AES_128_GCM_SHA256",
      "--backend-connections-per-frontend=0",
    ];
    const outbound = new LabProcess("nghttpx outbound", "client", [
      "nghttpx",
      ...common,
      `--frontend=${CLIENT_IP},${OUTBOUND_PORT};no-tls`,
      `--backend=${SERVER_IP},${INBOUND_PORT};;proto=h2;tls;sni=${SERVER_NAME}`,
      `--cacert=${ca}`,
      `--client-cert-file=${dir}/client.crt`,
      `--client-private-key-file=${dir}/client.key`,
    ]);
    const inbound = new LabProcess("nghttpx inbound", "server", [
      "nghttpx",
      ...common,
      `--frontend=${SERVER_IP},${INBOUND_PORT}`,
      `--backend=127.0.0.1,${applicationPort};;proto=h2`,
      "--verify-client",
      `--verify-client-cacert=${ca}`,
      `${dir}/server.key`,
      `${dir}/server.crt`,
    ]);
    await waitFor("nghttpx inbound", inbound, () => canConnect("server", SERVER_IP, INBOUND_PORT));
    await waitFor("nghttpx outbound", outbound, () => canConnect("client", CLIENT_IP, OUTBOUND_PORT));
    return running([outbound, inbound], certificates);
  },
};
