import { writeChunk, writeChunkSize } from "#http1";
import type { Outbox } from "./outbox.ts";

/** Sends body bytes as one HTTP/1.1 chunk; of a large one only the frame goes through the outbox's buffer. */
export function sendChunk(outbox: Outbox, chunk: Uint8Array, from: number, to: number): void {
  if (to - from < LARGE_CHUNK_BYTES) {
    writeChunk(outbox.buffer, chunk, from, to);
    return;
  }
  writeChunkSize(outbox.buffer, to - from);
  outbox.send(chunk, from, to);
  outbox.buffer.append(CRLF);
}

const CRLF = Buffer.from("\r\n");
/** From here a chunk's data goes straight to the transport (see `Outbox.send`). */
const LARGE_CHUNK_BYTES = 64 * 1024;
