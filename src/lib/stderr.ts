/**
 * Writes text to standard error, and goes on when nobody reads it. What a slow reader leaves waits in memory.
 * Not by `process.stderr`, which loads the runtime's streams: 1.5 MB and 11 ms in every proxy.
 */
export function stderrWriter(): (text: string) => void {
  const sink = Bun.stderr.writer();
  return (text) => {
    try {
      ignoreFailure(sink.write(text));
      ignoreFailure(sink.flush());
    } catch {} // the reader has gone
  };
}

function ignoreFailure(outcome: number | Promise<number>): void {
  if (typeof outcome !== "number") outcome.catch(() => {}); // it went while text was waiting
}
