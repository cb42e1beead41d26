import { canonicalKind } from "#contracts/resource-kinds";
import { parseDuration } from "#lib/duration";

/** A request that cannot be answered as asked: the caller's mistake, told in the response. */
export class RequestError extends Error {
  override readonly name = "RequestError";
}

/** A kind as sent, made canonical. */
export function kindOf(type: string | undefined): string {
  const kind = canonicalKind(type ?? "");
  if (!kind)
    throw new RequestError(
      `Cannot tell the resource type "${type ?? ""}": wanted a kind like deployment, pod or namespace`,
    );
  return kind;
}

/** A time window in milliseconds; empty means one minute. */
export function windowOf(text: string): number {
  const { value, error } = parseDuration(text === "" ? "1m" : text);
  if (value === undefined) throw new RequestError(`invalid time window: ${error}`);
  if (value < 1_000) throw new RequestError(`invalid time window: "${text}" is too short, wanted at least 1s`);
  return value;
}
