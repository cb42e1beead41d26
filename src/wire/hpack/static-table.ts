import { KNOWN } from "#fields";
import { type Entry, internForever } from "./entry.ts";

/** RFC 7541 appendix A. Row 0 does not exist. */
const ROWS: readonly [string, string][] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

export const STATIC_COUNT = ROWS.length; // 61

/** Entries by row, from 1. */
export const STATIC: readonly (Entry | undefined)[] = [undefined, ...ROWS.map(toEntry)];

/** Row whose name a known field has, by its id in `KNOWN`; 0 when none. */
export const STATIC_NAME_BY_ID: Uint8Array = Uint8Array.from(KNOWN, (name) =>
  name === "" ? 0 : ROWS.findIndex((row) => row[0] === name) + 1,
);

function toEntry([nameText, value]: [string, string], index: number): Entry {
  const entry = internForever(nameText, value);
  entry.staticIndex = index + 1;
  if (entry.name.staticIndex === 0) entry.name.staticIndex = index + 1;
  return entry;
}
