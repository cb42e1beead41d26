import type { Fields } from "#fields";
import { DEFAULT_HTTP1_LIMITS, describeCode, type Http1Limits, RequestReader, ResponseReader } from "#http1";
import { LENGTH_UNKNOWN } from "#message";

/**
 * What a reader makes of bytes, as a list of plain texts; body ranges that follow one another are joined, so that the
 * list does not depend on where the bytes were cut. The last entry is `error: …` or `rest: n` bytes not read.
 */
export type Events = string[];

/** Reads requests until the bytes end or an error; goes on to the next request each time. */
export function requestEvents(pieces: readonly Uint8Array[], limits: Http1Limits = DEFAULT_HTTP1_LIMITS): Events {
  const events: Events = [];
  const reader = new RequestReader(
    {
      request: (head) => {
        const length = head.bodyLength === LENGTH_UNKNOWN ? "chunked" : head.bodyLength;
        const marks = [
          reader.keepsAlive ? "keep" : "close",
          head.isUpgrade ? "upgrade" : "",
          head.expectsContinue ? "continue" : "",
          head.isAbsoluteForm ? "absolute" : "",
        ].filter(Boolean);
        events.push(
          `${head.method} ${head.path} ${head.version} host=${head.authority} body=${length} ${marks.join(" ")}`,
        );
        events.push(`fields: ${fieldTexts(head.fields)}`);
      },
      body: (chunk, from, to) => pushBody(events, chunk, from, to),
      requestEnd: (trailers) => events.push(`end${trailers === null ? "" : ` ${fieldTexts(trailers)}`}`),
    },
    limits,
  );
  feed(reader, pieces, events, () => reader.next());
  return events;
}

/** Reads responses to the given methods, one after another, and then the end of the connection. */
export function responseEvents(
  pieces: readonly Uint8Array[],
  methods: readonly string[] = ["GET"],
  asksUpgrade = false,
  limits: Http1Limits = DEFAULT_HTTP1_LIMITS,
): Events {
  const events: Events = [];
  const due = [...methods];
  const reader = new ResponseReader(
    {
      response: (head) => {
        const length = head.bodyLength === LENGTH_UNKNOWN ? "unknown" : head.bodyLength;
        const mark = reader.keepsAlive ? "keep" : "close";
        events.push(
          `${head.version} ${head.status} ${head.reason} body=${length} ${mark}${reader.isTunnel ? " tunnel" : ""}`,
        );
        events.push(`fields: ${fieldTexts(head.fields)}`);
      },
      body: (chunk, from, to) => pushBody(events, chunk, from, to),
      responseEnd: (trailers) => {
        events.push(`end${trailers === null ? "" : ` ${fieldTexts(trailers)}`}`);
        next(); // as if the next request had been sent before: what answers it may come in the same chunk
      },
    },
    limits,
  );
  const next = () => {
    const method = due.shift();
    if (method !== undefined) reader.expect(method, asksUpgrade);
  };
  next();
  if (!feed(reader, pieces, events, () => {})) return events;
  const code = reader.eof();
  events.push(code < 0 ? `error: ${describeCode(code)}` : "closed");
  return events;
}

interface Readable {
  read(chunk: Uint8Array, at: number): number;
}

function feed(reader: Readable, pieces: readonly Uint8Array[], events: Events, next: () => void): boolean {
  for (const piece of pieces) {
    let at = 0;
    for (;;) {
      const stopped = reader.read(piece, at);
      if (stopped < 0) {
        events.push(`error: ${describeCode(stopped)}`);
        return false;
      }
      if (stopped < at || stopped > piece.length) throw new Error(`Read from ${at} to ${stopped} of ${piece.length}`);
      if (events.at(-1)?.startsWith("end")) next();
      if (stopped === piece.length) break;
      if (stopped === at && !events.at(-1)?.startsWith("end")) throw new Error(`Stuck at ${at} of ${piece.length}`);
      at = stopped;
    }
  }
  return true;
}

function pushBody(events: Events, chunk: Uint8Array, from: number, to: number): void {
  if (from >= to || from < 0 || to > chunk.length) throw new Error(`Body range ${from}..${to} of ${chunk.length}`);
  const text = Buffer.from(chunk.subarray(from, to)).toString("latin1");
  if (events.at(-1)?.startsWith("body: ")) events.push(`${events.pop()}${text}`);
  else events.push(`body: ${text}`);
}

function fieldTexts(fields: Fields): string {
  const texts: string[] = [];
  for (let index = 0; index < fields.count; index++) {
    if (fields.id(index) >= 0) texts.push(`${fields.name(index)}=${JSON.stringify(fields.value(index))}`);
  }
  return texts.join(", ");
}

/** The text as bytes (one per character), whole; in two pieces at every cut; byte by byte. */
export function everyCut(text: string): Uint8Array[][] {
  const bytes = Buffer.from(text, "latin1");
  const cuts: Uint8Array[][] = [[bytes]];
  for (let cut = 1; cut < bytes.length; cut++) cuts.push([bytes.subarray(0, cut), bytes.subarray(cut)]);
  cuts.push(Array.from(bytes, (byte) => Uint8Array.of(byte)));
  return cuts;
}
