import { frameMessage, type GrpcFrame } from "#net/grpc-server";
import { Update } from "#proto/destination";
import type { TcpAddress } from "#proto/net";
import type { Address, AddressSet } from "./endpoints.ts";

/** What a new subscriber is told: all endpoints, or that there are none. */
export function initialUpdates(set: AddressSet, metricLabels: Record<string, string>): GrpcFrame[] {
  return set.addresses.size === 0 ? [none(set)] : [add([...set.addresses.values()], metricLabels)];
}

/**
 * The least that turns one set into another: Add of what is new or changed, then Remove of what is gone, so that a
 * client is never without endpoints in between. A set that became empty is also said to be.
 */
export function changeUpdates(
  before: AddressSet,
  after: AddressSet,
  metricLabels: Record<string, string>,
): GrpcFrame[] {
  const frames: GrpcFrame[] = [];
  const changed: Address[] = [];
  for (const [key, address] of after.addresses) {
    if (before.addresses.get(key)?.content !== address.content) changed.push(address);
  }
  const removed: (TcpAddress | undefined)[] = [];
  for (const [key, address] of before.addresses) {
    if (!after.addresses.has(key)) removed.push(address.message.addr);
  }
  if (changed.length > 0) frames.push(add(changed, metricLabels));
  if (removed.length > 0) frames.push(remove(removed.filter((address) => address !== undefined)));
  const isNews = before.addresses.size > 0 || before.exists !== after.exists;
  if (after.addresses.size === 0 && isNews) frames.push(none(after));
  return frames;
}

/** Whether two sets look the same to a client. */
export function isSameSet(a: AddressSet, b: AddressSet): boolean {
  if (a.exists !== b.exists || a.addresses.size !== b.addresses.size) return false;
  for (const [key, address] of a.addresses) {
    if (b.addresses.get(key)?.content !== address.content) return false;
  }
  return true;
}

function frame(update: Update["update"]): GrpcFrame {
  return frameMessage(Update.encode({ update }).finish());
}

function add(addresses: readonly Address[], metricLabels: Record<string, string>): GrpcFrame {
  return frame({ $case: "add", value: { addrs: addresses.map((address) => address.message), metricLabels } });
}

function remove(addrs: TcpAddress[]): GrpcFrame {
  return frame({ $case: "remove", value: { addrs } });
}

/** A client that hears nothing cannot tell "none" from "not yet", and fails late instead of at once. */
function none({ exists }: AddressSet): GrpcFrame {
  return frame({ $case: "noEndpoints", value: { exists } });
}
