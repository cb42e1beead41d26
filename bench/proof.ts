import { Capture, carries, type Segment } from "../test/support/capture.ts";
import { CLIENT_IP, on, SERVER_IP } from "./lab/namespaces.ts";
import { loadProgram } from "./load/program.ts";
import { INBOUND_PORT, type LabPaths, type Protocol, type RunningSubject, type Subject } from "./subjects/subject.ts";

const MARK = "proof-of-what-crosses-the-wire";
const APPLICATION_DATA = 23; // RFC 8446, section 5.1

/**
 * Before anything is timed: the chain answers, nothing readable crosses the wire between the hops and TLS does, the server
 * saw the client's identity, and a client without a certificate is turned away by the inbound hop. Throws with what was not
 * as it should be.
 */
export async function prove(
  subject: Subject,
  running: RunningSubject,
  protocol: Protocol,
  paths: LabPaths,
): Promise<void> {
  if (subject.name === "direct") return;
  const capture = await Capture.start(on("server", []), `tcp and host ${CLIENT_IP}`);
  const ask = protocol === "opaque" ? proveBytes : proveRequest;
  let segments: Segment[];
  try {
    await ask(subject, running, protocol);
  } finally {
    segments = await capture.stop();
  }
  const isTls = ({ payload }: Segment): boolean => payload[0] === APPLICATION_DATA && payload[1] === 3;
  if (!segments.some(isTls)) throw new Error(`No TLS was seen between the hops of ${subject.name}`);
  for (const text of [MARK, "HTTP/1.1 200", "ready\n"]) {
    if (carries(segments, text)) throw new Error(`${subject.name} sent ${JSON.stringify(text)} in the clear`);
  }
  if (subject.name !== "linkerd-ts" && protocol !== "opaque") await proveDenial(subject, paths); // ours has its own
}

/** A request through both hops, with a mark that must not be readable between them. */
async function proveRequest(subject: Subject, { target }: RunningSubject, protocol: Protocol): Promise<void> {
  const version = protocol === "http2" ? ["--http2-prior-knowledge"] : [];
  const answer = await curl([...version, "-si", `http://${target.host}:${target.port}/${MARK}`]);
  if (!/^HTTP\/[\d.]+ 200/.test(answer))
    throw new Error(`${subject.name} does not answer through both hops:\n${answer.slice(0, 500)}`);
  if (subject.name !== "nghttpx" && !/x-seen-client: .+/i.test(answer)) {
    throw new Error(
      `The application behind ${subject.name} did not see the client's identity:\n${answer.slice(0, 500)}`,
    );
  }
}

/** The server's greeting and some bytes; the program checks their count. */
async function proveBytes(_subject: Subject, { target }: RunningSubject): Promise<void> {
  await loadProgram("client", "byte-sink.ts", [target.host, target.port, 100_000, 1]);
}

async function proveDenial(subject: Subject, { certificates }: LabPaths): Promise<void> {
  const denied = await curl(["-sik", `https://${SERVER_IP}:${INBOUND_PORT}/proof`, "--cacert", certificates.ca]);
  if (/^HTTP\/[\d.]+ 200/.test(denied)) throw new Error(`${subject.name} served a client without a certificate`);
}

async function curl(args: readonly string[]): Promise<string> {
  const child = Bun.spawn(on("client", ["curl", "--max-time", "5", ...args]), { stdout: "pipe", stderr: "pipe" });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return text;
}
