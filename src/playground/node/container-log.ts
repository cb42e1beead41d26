/**
 * What one run of a container wrote, as lines with their instant. Bounded: the oldest lines go first. Followers get
 * each line as it is stored.
 */
export interface LogLine {
  /** RFC 3339 with nanosecond digits, as kubelets store it. */
  readonly time: string;
  readonly stream: "stdout" | "stderr";
  readonly text: Uint8Array;
  /** The line goes on in the next one of its stream: it was longer than the limit, or the process ended without a newline. */
  readonly isPartial: boolean;
}

const MAX_LOG_BYTES = 4 * 1024 * 1024; // per run; kubelets keep 10 MiB on disk
const MAX_LINE_BYTES = 16 * 1024; // longer lines are cut into several, as container runtimes do

export class ContainerLog {
  #lines: LogLine[] = [];
  #bytes = 0;
  #isEnded = false;
  readonly #partial: Record<"stdout" | "stderr", Uint8Array[]> = { stdout: [], stderr: [] };
  readonly #followers = new Set<() => void>();
  readonly #taps = new Set<(stream: "stdout" | "stderr", chunk: Uint8Array) => void>();
  #firstIndex = 0; // index of #lines[0] among all lines ever

  /** Takes a chunk as the process wrote it. */
  write(stream: "stdout" | "stderr", chunk: Uint8Array, wallMs: number): void {
    for (const tap of [...this.#taps]) tap(stream, chunk);
    let from = 0;
    for (;;) {
      const newline = chunk.indexOf(10, from);
      if (newline < 0) break;
      this.#store(stream, chunk.subarray(from, newline), wallMs);
      from = newline + 1;
    }
    if (from < chunk.length) this.#hold(stream, chunk.slice(from), wallMs);
    this.#wake();
  }

  /** No more will come. */
  end(wallMs: number): void {
    for (const stream of ["stdout", "stderr"] as const)
      if (this.#partial[stream].length > 0) this.#store(stream, new Uint8Array(0), wallMs, true);
    this.#isEnded = true;
    this.#wake();
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Lines that are kept, from number `from` on (lines are numbered from 0 in the order written). */
  read(from: number): { lines: readonly LogLine[]; next: number } {
    const skip = Math.max(0, from - this.#firstIndex);
    return { lines: this.#lines.slice(skip), next: this.#firstIndex + this.#lines.length };
  }

  /** The last bytes of text, for termination messages. */
  tail(maxLines: number, maxBytes: number): string {
    const text = this.#lines.slice(-maxLines).map((line) => new TextDecoder().decode(line.text));
    return text
      .map((line) => `${line}\n`)
      .join("")
      .slice(-maxBytes);
  }

  /** Calls `wake` after every write and at the end. Returns the way to stop. */
  follow(wake: () => void): () => void {
    this.#followers.add(wake);
    return () => void this.#followers.delete(wake);
  }

  /** Hands over every chunk as it comes, for those attached. Returns the way to stop. */
  tap(sink: (stream: "stdout" | "stderr", chunk: Uint8Array) => void): () => void {
    this.#taps.add(sink);
    return () => void this.#taps.delete(sink);
  }

  #hold(stream: "stdout" | "stderr", part: Uint8Array, wallMs: number): void {
    this.#partial[stream].push(part);
    const held = this.#partial[stream].reduce((sum, piece) => sum + piece.length, 0);
    if (held >= MAX_LINE_BYTES) this.#store(stream, new Uint8Array(0), wallMs, true);
  }

  #store(stream: "stdout" | "stderr", last: Uint8Array, wallMs: number, isPartial = false): void {
    const text = new Uint8Array(Buffer.concat([...this.#partial[stream], last]));
    this.#partial[stream] = [];
    this.#lines.push({ time: stamp(wallMs), stream, text, isPartial });
    this.#bytes += text.length;
    while (this.#bytes > MAX_LOG_BYTES) {
      this.#bytes -= this.#lines.shift()!.text.length;
      this.#firstIndex++;
    }
  }

  #wake(): void {
    for (const wake of [...this.#followers]) wake();
  }
}

function stamp(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000000Z");
}
