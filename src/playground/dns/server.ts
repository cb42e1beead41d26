import type { Log } from "#lib/log";
import { type Answer, type Question, readQuestion, writeAnswer } from "./message.ts";

export type Resolver = (name: string, type: number) => Answer;

export interface DnsServer {
  readonly port: number;
  close(): void;
}

const MAX_TCP_QUERY_BYTES = 4_096;
const MAX_TCP_ANSWER_BYTES = 65_535;
const TCP_IDLE_SECONDS = 10;

/** Serves one resolver over UDP and TCP at an address (port 0: any, the same for both). */
export async function serveDns(address: string, port: number, resolve: Resolver, log: Log): Promise<DnsServer> {
  const reply = (bytes: Uint8Array, maxBytes: number | undefined): Uint8Array | undefined => {
    const question = readQuestion(bytes);
    if (!question) return undefined;
    return writeAnswer(question, answerOf(resolve, question, log), maxBytes ?? question.maxBytes);
  };
  const tcp = Bun.listen<{ pending: Buffer }>({
    hostname: address,
    port,
    socket: {
      open(socket) {
        socket.data = { pending: Buffer.alloc(0) };
        socket.timeout(TCP_IDLE_SECONDS);
      },
      data(socket, chunk) {
        const { rest, queries } = cutQueries(Buffer.concat([socket.data.pending, chunk]));
        socket.data.pending = rest;
        if (rest.length > MAX_TCP_QUERY_BYTES) socket.terminate();
        for (const query of queries) {
          const bytes = reply(query, MAX_TCP_ANSWER_BYTES);
          if (!bytes) return void socket.terminate();
          socket.write(Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]));
        }
      },
      timeout(socket) {
        socket.end();
      },
    },
  });
  const udp = await Bun.udpSocket({
    hostname: address,
    port: tcp.port,
    socket: {
      data(socket, bytes, fromPort, fromAddress) {
        const answer = reply(bytes, undefined);
        if (answer) socket.send(answer, fromPort, fromAddress);
      },
    },
  });
  return {
    port: tcp.port,
    close() {
      tcp.stop(true);
      udp.close();
    },
  };
}

function answerOf(resolve: Resolver, question: Question, log: Log): Answer {
  const answer = resolve(question.name, question.type);
  log.trace("DNS", { name: question.name, type: question.type, code: answer.code, answers: answer.answers.length });
  return answer;
}

/** Queries over TCP carry their length in two bytes (RFC 1035 §4.2.2). */
function cutQueries(bytes: Buffer): { rest: Buffer; queries: Buffer[] } {
  const queries: Buffer[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const length = bytes.readUInt16BE(at);
    if (at + 2 + length > bytes.length) break;
    queries.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return { rest: bytes.subarray(at), queries };
}
