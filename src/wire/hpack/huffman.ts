/**
 * Huffman text of RFC 7541 §5.2, decoded half a byte at a time. The code is canonical, so the 257 lengths of appendix B are
 * all there is to know: codes follow from them in order of length, then of symbol.
 */
const CODE_LENGTHS = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30, // 256, end of string: never to be seen in full
];
const END_OF_STRING = 256;

/** One code per symbol: its bits, right-aligned, and how many there are. Symbol 256 is end-of-string. */
export const HUFFMAN_CODES: readonly { bits: number; length: number }[] = assignCodes();

/**
 * Steps of the automaton, one per state and half byte: bits 0–8 the next state, bit 9 whether a symbol came out, bits 10–17
 * the symbol. A state is a node inside the code tree; the shortest code has 5 bits, so 4 end at most one.
 * By whole bytes the table is 256 KiB, which takes 9 ms to make at every start and does not stay in the nearest cache.
 */
const STATES = 256;
const BROKEN = 256;
const HAS_SYMBOL = 1 << 9;
const { steps, mayEnd } = buildAutomaton();

/**
 * Decodes [from, to) of `source` into `target` at `at`. Returns where it ended, or -1 for an end-of-string symbol or
 * wrong padding (RFC 7541 §5.2: a decoding error). The caller has made room for (to - from) * 8 / 5 bytes.
 */
export function decodeHuffman(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
  let state = 0;
  for (let offset = from; offset < to; offset++) {
    const byte = source[offset];
    const first = steps[(state << 4) | (byte >> 4)];
    if ((first & HAS_SYMBOL) !== 0) target[at++] = first >> 10;
    const second = steps[((first & 0x1ff) << 4) | (byte & 15)];
    if ((second & HAS_SYMBOL) !== 0) target[at++] = second >> 10;
    state = second & 0x1ff;
    if (state === BROKEN) return -1;
  }
  return mayEnd[state] === 1 ? at : -1;
}

function assignCodes(): { bits: number; length: number }[] {
  const codes = CODE_LENGTHS.map((length) => ({ bits: 0, length }));
  let bits = 0;
  for (let length = 1; length <= 30; length++, bits *= 2) {
    for (const code of codes) if (code.length === length) code.bits = bits++;
  }
  return codes;
}

/** Children of each inner node: a node number, or ~symbol for a leaf. */
function buildTree(): [number, number][] {
  const nodes: [number, number][] = [[0, 0]];
  HUFFMAN_CODES.forEach(({ bits, length }, symbol) => {
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const side = (bits >>> bit) & 1;
      if (nodes[node][side] === 0) nodes[node][side] = nodes.push([0, 0]) - 1;
      node = nodes[node][side];
    }
    nodes[node][bits & 1] = ~symbol;
  });
  return nodes;
}

function buildAutomaton(): { steps: Int32Array; mayEnd: Uint8Array } {
  const nodes = buildTree();
  const steps = new Int32Array((STATES + 1) * 16).fill(BROKEN); // nothing leads out of BROKEN
  for (let state = 0; state < nodes.length; state++) {
    for (let half = 0; half < 16; half++) steps[(state << 4) | half] = walk(nodes, state, half);
  }
  return { steps, mayEnd: endings(nodes) };
}

function walk(nodes: [number, number][], state: number, half: number): number {
  let node = state;
  let symbol = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = nodes[node][(half >> bit) & 1];
    if (next === ~END_OF_STRING) return BROKEN;
    if (next >= 0) node = next;
    else {
      symbol = HAS_SYMBOL | (~next << 10);
      node = 0;
    }
  }
  return node | symbol;
}

/** RFC 7541 §5.2: padding is the first bits of end-of-string (all ones), fewer than 8. */
function endings(nodes: [number, number][]): Uint8Array {
  const mayEnd = new Uint8Array(STATES + 1);
  for (let node = 0, bits = 0; bits < 8; bits++, node = nodes[node][1]) mayEnd[node] = 1;
  return mayEnd;
}
