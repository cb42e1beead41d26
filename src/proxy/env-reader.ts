import type { BackoffOptions } from "#lib/backoff";
import { parseDuration } from "#lib/duration";
import { canonicalIp, IpNetwork, parseAddress, type SocketAddress } from "#net/address";
import { PortSet } from "./port-set.ts";

const PREFIX = "LINKERD2_PROXY_";

/** Reads typed values from the environment and collects every complaint. Names are given without their prefix. */
export class EnvReader {
  readonly errors: string[] = [];
  readonly #lookup: (name: string) => string | undefined;

  constructor(lookup: (name: string) => string | undefined) {
    this.#lookup = lookup;
  }

  fail(name: string, what: string): void {
    this.errors.push(`${name} ${what}`);
  }

  text(name: string, otherwise: string): string {
    return this.#lookup(PREFIX + name) ?? otherwise;
  }

  required(name: string): string {
    const value = this.#lookup(PREFIX + name);
    if (value === undefined || value === "") this.fail(PREFIX + name, "is required and not set");
    return value ?? "";
  }

  bool(name: string, otherwise: boolean): boolean {
    return this.#parsed(name, otherwise, "true or false", (text) =>
      text === "true" ? true : text === "false" ? false : undefined,
    );
  }

  integer(name: string, otherwise: number): number {
    return this.#parsed(name, otherwise, "a whole number", readInteger);
  }

  optionalInteger(name: string): number | undefined {
    return this.#parsed<number | undefined>(name, undefined, "a whole number", readInteger);
  }

  duration(name: string, otherwiseMs: number): number {
    return this.#parsed(name, otherwiseMs, "a duration like 30s or 100ms", (text) => parseDuration(text).value);
  }

  optionalDuration(name: string): number | undefined {
    return this.#parsed<number | undefined>(
      name,
      undefined,
      "a duration like 30s",
      (text) => parseDuration(text).value,
    );
  }

  choice<T extends string>(name: string, choices: readonly T[], otherwise: T): T {
    return this.#parsed(name, otherwise, choices.join(" or "), (text) => choices.find((choice) => choice === text));
  }

  address(name: string, otherwise: string): SocketAddress {
    return this.#parsed(name, parseAddress(otherwise)!, "ip:port", parseAddress);
  }

  addresses(name: string): SocketAddress[] {
    return this.#list(name, "a comma-separated list of ip:port", parseAddress);
  }

  networks(name: string): IpNetwork[] {
    return this.#list(name, "a comma-separated list of networks like 10.0.0.0/8", IpNetwork.parse);
  }

  ips(name: string): string[] {
    return this.#list(name, "a comma-separated list of IP addresses", canonicalIp);
  }

  ports(name: string): PortSet {
    return this.#parsed(name, PortSet.EMPTY, "ports like 80,443,1000-2000", PortSet.parse);
  }

  hostPort(name: string): { host: string; port: number } {
    const text = this.required(name);
    const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text);
    if (!match && text !== "") this.fail(PREFIX + name, `is "${text}", wanted host:port`);
    return { host: match?.[1] ?? "", port: Number(match?.[2] ?? 0) };
  }

  /** MIN and MAX stand or fall together; JITTER is 0 unless set beside them. */
  backoff(name: string, otherwise: BackoffOptions): BackoffOptions {
    const minMs = this.optionalDuration(`${name}_MIN`);
    const maxMs = this.optionalDuration(`${name}_MAX`);
    if (minMs === undefined && maxMs === undefined) return otherwise;
    if (minMs === undefined || maxMs === undefined || minMs > maxMs || minMs === 0) {
      this.fail(PREFIX + name, "needs _MIN and _MAX both, 0 < min <= max");
      return otherwise;
    }
    const jitter = this.#parsed(`${name}_JITTER`, 0, "a number from 0 to 1", readFraction);
    return { minMs, maxMs, jitter };
  }

  #parsed<T>(name: string, otherwise: T, wanted: string, parse: (text: string) => T | undefined): T {
    const text = this.#lookup(PREFIX + name);
    if (text === undefined || text === "") return otherwise;
    const value = parse(text);
    if (value !== undefined) return value;
    this.fail(PREFIX + name, `is "${text}", wanted ${wanted}`);
    return otherwise;
  }

  #list<T>(name: string, wanted: string, parse: (text: string) => T | undefined): T[] {
    return this.#parsed<T[]>(name, [], wanted, (text) => {
      const items = text.split(",").filter((part) => part.trim() !== "");
      const parsed = items.map((part) => parse(part.trim()));
      return parsed.includes(undefined) ? undefined : (parsed as T[]);
    });
  }
}

function readInteger(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function readFraction(text: string): number | undefined {
  const value = Number(text);
  return value >= 0 && value <= 1 ? value : undefined;
}
