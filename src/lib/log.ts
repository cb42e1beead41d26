/**
 * Log lines for people and machines. One line per event on standard error; untrusted text is escaped, so that a
 * peer cannot forge lines. Fields named like secrets must never be passed here: types that hold secrets have no toString.
 */
export const LOG_LEVELS = ["error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  trace(message: string, fields?: LogFields): void;
  /** A log whose lines carry `fields` as well. */
  with(fields: LogFields): Log;
}

export interface LogOptions {
  /** The least severe level that is written; `off` writes nothing. */
  readonly level: LogLevel | "off";
  readonly format: "plain" | "json";
  readonly write: (line: string) => void;
  readonly wallMs: () => number;
}

/** Makes a log. The level may be changed while running through the returned `setLevel`. */
export function createLog(options: LogOptions): Log & { setLevel(level: LogLevel | "off"): void } {
  const state = { threshold: rank(options.level) };
  return Object.assign(new LineLog(options, state, {}), {
    setLevel(level: LogLevel | "off") {
      state.threshold = rank(level);
    },
  });
}

function rank(level: LogLevel | "off"): number {
  return level === "off" ? -1 : LOG_LEVELS.indexOf(level);
}

class LineLog implements Log {
  readonly #options: LogOptions;
  readonly #state: { threshold: number };
  readonly #fields: LogFields;

  constructor(options: LogOptions, state: { threshold: number }, fields: LogFields) {
    this.#options = options;
    this.#state = state;
    this.#fields = fields;
  }

  error(message: string, fields?: LogFields): void {
    this.#line("error", message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#line("warn", message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.#line("info", message, fields);
  }
  debug(message: string, fields?: LogFields): void {
    this.#line("debug", message, fields);
  }
  trace(message: string, fields?: LogFields): void {
    this.#line("trace", message, fields);
  }

  with(fields: LogFields): Log {
    return new LineLog(this.#options, this.#state, { ...this.#fields, ...fields });
  }

  #line(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (rank(level) > this.#state.threshold) return;
    const all = { ...this.#fields, ...fields };
    const time = new Date(this.#options.wallMs()).toISOString();
    if (this.#options.format === "json") {
      this.#options.write(`${JSON.stringify({ timestamp: time, level: level.toUpperCase(), message, ...all })}\n`);
      return;
    }
    let text = `${time} ${level.toUpperCase().padEnd(5)} ${escapeControl(message)}`;
    for (const [name, value] of Object.entries(all)) {
      if (value !== undefined) text += ` ${name}=${quoteIfNeeded(String(value))}`;
    }
    this.#options.write(`${text}\n`);
  }
}

function quoteIfNeeded(value: string): string {
  return /^[\x21\x23-\x3c\x3e-\x7e]+$/.test(value) ? value : JSON.stringify(value);
}

/** Shows control characters (a newline, an escape that would colour a terminal) instead of obeying them. */
export function escapeControl(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** A log that keeps nothing. */
export const silentLog: Log = createLog({ level: "off", format: "plain", write: () => {}, wallMs: () => 0 });
