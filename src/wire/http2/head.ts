import { type Fields, knownId, STRIDE } from "#fields";
import {
  type HeaderBlock,
  isAuthority,
  ROLE_AUTHORITY,
  ROLE_METHOD,
  ROLE_PATH,
  ROLE_SCHEME,
  ROLE_STATUS,
} from "#hpack";
import { HTTP_2, LENGTH_UNKNOWN, RequestHead, ResponseHead } from "#message";

/**
 * Turns a decoded header list into the head of a message, or says why it is malformed (RFC 9113 §8.1.1). Both heads
 * stand over the block's own fields: what they lend ends with the next list.
 */
export class HeadReader {
  readonly block: HeaderBlock;
  readonly request: RequestHead;
  readonly response: ResponseHead;

  constructor(block: HeaderBlock) {
    this.block = block;
    this.request = new RequestHead(block.fields);
    this.response = new ResponseHead(block.fields);
  }

  get fields(): Fields {
    return this.block.fields;
  }

  /** RFC 9113 §8.3.1. Fills `request`; returns the reason when malformed, else an empty string. */
  readRequest(isEnd: boolean): string {
    const { block } = this;
    if (block.malformed !== "") return block.malformed;
    if (block.has(ROLE_STATUS)) return "a :status in a request";
    const reason = block.method === "CONNECT" ? checkConnect(block) : checkTarget(block);
    if (reason !== "") return reason;
    const authority = this.#authority();
    if (authority === null) return "an :authority that is not a host, or that Host contradicts";
    if (isEnd && block.contentLength > 0) return "a content-length without a body";
    this.#fillRequest(authority, isEnd);
    return "";
  }

  /** RFC 9113 §8.3.2. Fills `response`. `hasNoBody`: it answers HEAD. */
  readResponse(isEnd: boolean, hasNoBody: boolean): string {
    const { block, response } = this;
    if (block.malformed !== "") return block.malformed;
    if (block.pseudo !== 1 << ROLE_STATUS) return "not exactly one :status";
    const status = Number(block.status);
    if (!STATUS.test(block.status)) return "a :status that is not three digits";
    if (status === 101) return "a 101, which HTTP/2 does not have (RFC 9113 §8.6)";
    if (status < 200 && isEnd) return "an informational response that ends the stream";
    const isBodiless = hasNoBody || status === 204 || status === 304;
    if (isEnd && block.contentLength > 0 && !isBodiless) return "a content-length without a body";
    response.version = HTTP_2;
    response.status = status;
    response.reason = "";
    response.bodyLength = isEnd || isBodiless ? 0 : block.contentLength;
    return "";
  }

  /** RFC 9113 §8.1: trailers have no pseudo-fields. */
  readTrailers(): string {
    const { block } = this;
    if (block.malformed !== "") return block.malformed;
    return block.pseudo === 0 ? "" : "a pseudo-field in trailers";
  }

  #fillRequest(authority: string, isEnd: boolean): void {
    const { block, request } = this;
    request.version = HTTP_2;
    request.method = block.method;
    request.path = block.path;
    request.authority = authority;
    request.scheme = block.scheme === "https" ? "https" : "http";
    request.isAbsoluteForm = false;
    request.bodyLength = isEnd ? 0 : block.contentLength >= 0 ? block.contentLength : LENGTH_UNKNOWN;
    request.isUpgrade = block.method === "CONNECT";
    request.expectsContinue = block.expectsContinue;
  }

  /**
   * RFC 9113 §8.3.1: Host must not differ from :authority. Only HTTP/1 carried over HTTP/2 may: there an absolute target
   * wins over Host, and the proxy that sent it has already decided.
   */
  #authority(): string | null {
    const { block } = this;
    if (block.hostIndex < 0) return block.authority;
    const { fields } = block;
    if (fields.valueEquals(block.hostIndex, block.authority)) return block.authority;
    const host = fields.value(block.hostIndex);
    const offset = block.hostIndex * STRIDE;
    if (!isAuthority(fields.bytes, fields.at[offset + 3], fields.at[offset + 4])) return null;
    if (host === "" || host.toLowerCase() === block.authority.toLowerCase()) return block.authority;
    if (block.authority === "") return host;
    return fields.find(ORIG_PROTO) >= 0 ? block.authority : null;
  }
}

const ORIG_PROTO = knownId("l5d-orig-proto");
const STATUS = /^[1-9][0-9][0-9]$/;
const TARGET_PSEUDO = (1 << ROLE_METHOD) | (1 << ROLE_SCHEME) | (1 << ROLE_PATH);

function checkTarget(block: HeaderBlock): string {
  if ((block.pseudo & TARGET_PSEUDO) !== TARGET_PSEUDO) return "no :method, :scheme or :path";
  if (block.scheme !== "http" && block.scheme !== "https") return "a :scheme other than http and https";
  return block.path === "*" && block.method !== "OPTIONS" ? "a :path * outside OPTIONS" : "";
}

/** RFC 9113 §8.5. */
function checkConnect(block: HeaderBlock): string {
  if (block.has(ROLE_SCHEME) || block.has(ROLE_PATH)) return "a CONNECT with :scheme or :path";
  return block.has(ROLE_AUTHORITY) && block.authority !== "" ? "" : "a CONNECT without :authority";
}
