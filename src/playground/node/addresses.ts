/** The playground's address plan. Every playground has its own network namespaces, so all of them use the same one. */
export const NODE_ADDRESS = "10.244.0.1";
export const POD_NETWORK = "10.244.0.0/16";
export const SERVICE_NETWORK = "10.96.0.0/12";
export const API_ADDRESS = "10.96.0.1";
export const DNS_ADDRESS = "10.96.0.10";
export const CLUSTER_DOMAIN = "cluster.local";

const FIRST = 256; // 10.244.1.0 is where pods start; 10.244.0.x is the node's
const COUNT = 250 * 256;

/** Hands out pod addresses round and round, so that a freed one rests before it is used again. */
export class AddressPool {
  readonly #used = new Set<number>();
  #next = 0;

  take(): string {
    for (let tried = 0; tried < COUNT; tried++) {
      const number = FIRST + this.#next;
      this.#next = (this.#next + 1) % COUNT;
      const last = number % 256;
      if (last === 0 || last === 255 || this.#used.has(number)) continue;
      this.#used.add(number);
      return `10.244.${Math.floor(number / 256)}.${last}`;
    }
    throw new Error(`Cannot give the pod an address: all of ${POD_NETWORK} are in use, delete some pods`);
  }

  give(address: string): void {
    const [, , third, last] = address.split(".").map(Number);
    this.#used.delete(third! * 256 + last!);
  }
}
