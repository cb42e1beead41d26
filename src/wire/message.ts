import { Fields } from "./fields.ts";

/**
 * The heads of requests and responses in a form that both HTTP versions read into and write from.
 * Text that every request has is a string (method, path, authority); other fields stay bytes in `fields`.
 * Lent with their `fields` until the sink returns; `copy()` to keep.
 */
export const HTTP_1_0 = 10;
export const HTTP_1_1 = 11;
export const HTTP_2 = 20;

/** Body length when it is not announced (chunked, until close, or an HTTP/2 stream that stays open). */
export const LENGTH_UNKNOWN = -1;

export class RequestHead {
  version = HTTP_1_1;
  method = "";
  /** Path and query as sent (`/a?b`), `*` for OPTIONS *, empty for CONNECT. */
  path = "";
  /** Host and optional port: from an absolute target, else `:authority`, else Host; empty when none was sent. */
  authority = "";
  scheme: "http" | "https" = "http";
  /** HTTP/1 only: the target was absolute-form (`GET http://host/path`), and is to be forwarded so. */
  isAbsoluteForm = false;
  /** Bytes of body to come: 0 none, n announced, LENGTH_UNKNOWN. */
  bodyLength = 0;
  /** HTTP/1.1 Upgrade other than h2c, or CONNECT: the connection turns into a tunnel when the server agrees. */
  isUpgrade = false;
  /** The client waits for 100 Continue. */
  expectsContinue = false;
  readonly fields: Fields;

  constructor(fields: Fields = new Fields()) {
    this.fields = fields;
  }

  copy(): RequestHead {
    const kept = new RequestHead(this.fields.copy());
    this.#copyTextTo(kept);
    return kept;
  }

  /** The same into a head that is used again and again. */
  copyTo(kept: RequestHead): void {
    this.fields.copyTo(kept.fields);
    this.#copyTextTo(kept);
  }

  #copyTextTo(kept: RequestHead): void {
    kept.version = this.version;
    kept.method = this.method;
    kept.path = this.path;
    kept.authority = this.authority;
    kept.scheme = this.scheme;
    kept.isAbsoluteForm = this.isAbsoluteForm;
    kept.bodyLength = this.bodyLength;
    kept.isUpgrade = this.isUpgrade;
    kept.expectsContinue = this.expectsContinue;
  }
}

export class ResponseHead {
  version = HTTP_1_1;
  status = 200;
  /** HTTP/1 reason phrase as sent; empty from HTTP/2. */
  reason = "";
  /** 0 none (also for HEAD, 204, 304), n announced, LENGTH_UNKNOWN. */
  bodyLength = 0;
  readonly fields: Fields;

  constructor(fields: Fields = new Fields()) {
    this.fields = fields;
  }

  copy(): ResponseHead {
    return Object.assign(new ResponseHead(this.fields.copy()), {
      version: this.version,
      status: this.status,
      reason: this.reason,
      bodyLength: this.bodyLength,
    });
  }
}
