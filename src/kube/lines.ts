/** Splits a byte stream into lines. Throws when one grows beyond `maxLineBytes`; a last line without an end is yielded. */
export async function* readLines(
  body: ReadableStream<Uint8Array> | null,
  maxLineBytes: number,
): AsyncGenerator<string> {
  if (!body) return;
  const decoder = new TextDecoder();
  let pieces: string[] = []; // of the line being read: joined once, so that long lines cost linear time
  let pendingChars = 0;
  for await (const chunk of body) {
    let text = decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      pieces.push(text.slice(0, end));
      text = text.slice(end + 1);
      const line = pieces.join("");
      pieces = [];
      pendingChars = 0;
      if (line !== "") yield line;
    }
    pendingChars += text.length;
    if (pendingChars > maxLineBytes) throw new Error(`Cannot read a line of more than ${maxLineBytes} bytes`);
    if (text !== "") pieces.push(text);
  }
  const last = pieces.join("") + decoder.decode();
  if (last !== "") yield last;
}
