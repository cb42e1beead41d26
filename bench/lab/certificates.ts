import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { sh } from "./namespaces.ts";

/** Files of one root and two leaves (client, server), all P-256 as the mesh's own are. */
export interface Certificates {
  readonly dir: string;
  readonly ca: string;
}

export const CLIENT_NAME = "client.bench.serviceaccount.identity.linkerd.cluster.local";
export const SERVER_NAME = "server.bench.serviceaccount.identity.linkerd.cluster.local";

export function makeCertificates(dir: string): Certificates {
  mkdirSync(dir, { recursive: true });
  const leaf = (file: string, name: string): string => `
    openssl ecparam -name prime256v1 -genkey -noout -out ${file}.key
    openssl req -new -key ${file}.key -subj /CN=${file} -out ${file}.csr
    printf 'subjectAltName=DNS:${name}\\nextendedKeyUsage=serverAuth,clientAuth\\n' > ${file}.ext
    openssl x509 -req -in ${file}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile ${file}.ext -out ${file}.crt 2>/dev/null
    cat ${file}.crt ${file}.key > ${file}.pem`;
  sh(`cd ${dir}
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key
    openssl req -x509 -new -key ca.key -subj /CN=bench-root -days 1 -out ca.crt
    ${leaf("client", CLIENT_NAME)}
    ${leaf("server", SERVER_NAME)}
    chmod 644 *`);
  return { dir, ca: join(dir, "ca.crt") };
}
