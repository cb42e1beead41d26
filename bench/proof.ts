import { on, SERVER_IP } from "./lab/namespaces.ts";
import { INBOUND_PORT, type LabPaths, type Protocol, type RunningSubject, type Subject } from "./subjects/subject.ts";

/**
 * Before anything is timed: the chain answers, the server saw the client's identity, and a client without a certificate
 * is turned away by the inbound hop. Throws with what was not as it should be.
 */
export async function prove(
  subject: Subject,
  running: RunningSubject,
  protocol: Protocol,
  paths: LabPaths,
): Promise<void> {
  if (protocol === "opaque" || subject.name === "direct") return;
  const { host, port } = running.target;
  const version = protocol === "http2" ? ["--http2-prior-knowledge"] : [];
  const answer = await curl([...version, "-si", `http://${host}:${port}/proof`]);
  if (!/^HTTP\/[\d.]+ 200/.test(answer))
    throw new Error(`${subject.name} does not answer through both hops:\n${answer.slice(0, 500)}`);
  if (subject.name !== "nghttpx" && !/x-seen-client: .+/i.test(answer)) {
    throw new Error(
      `The application behind ${subject.name} did not see the client's identity:\n${answer.slice(0, 500)}`,
    );
  }
  if (subject.name === "linkerd-ts") return; // its own proof is stricter: see subjects/linkerd.ts
  const denied = await curl(["-sik", `https://${SERVER_IP}:${INBOUND_PORT}/proof`, "--cacert", paths.certificates.ca]);
  if (/^HTTP\/[\d.]+ 200/.test(denied)) throw new Error(`${subject.name} served a client without a certificate`);
}

async function curl(args: readonly string[]): Promise<string> {
  const child = Bun.spawn(on("client", ["curl", "--max-time", "5", ...args]), { stdout: "pipe", stderr: "pipe" });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return text;
}
