import { frameMessage, type GrpcFrame } from "#net/grpc-server";
import { DestinationProfile } from "#proto/destination";
import type { Subscriber } from "./endpoint-topic.ts";

/** A subscriber that can also be told that its question has lost its meaning. */
export interface ProfileSubscriber extends Subscriber {
  /** Ends the stream in peace; the client asks again and gets the answer that fits now. */
  end(): void;
}

/**
 * Everyone who follows one profile. It is computed and encoded once and sent only when its bytes changed.
 * `compute` gives undefined when the subject is gone; then all streams end.
 */
export class ProfileTopic {
  readonly #compute: () => DestinationProfile | undefined;
  readonly #subscribers = new Set<ProfileSubscriber>();
  #frame: GrpcFrame | undefined;

  constructor(compute: () => DestinationProfile | undefined) {
    this.#compute = compute;
  }

  get subscriberCount(): number {
    return this.#subscribers.size;
  }

  /** False when there is nothing to subscribe to. Throws what computing throws. */
  subscribe(subscriber: ProfileSubscriber): (() => void) | undefined {
    this.#frame ??= this.#encode();
    if (!this.#frame) return undefined;
    this.#subscribers.add(subscriber);
    subscriber.send(this.#frame);
    return () => this.#subscribers.delete(subscriber);
  }

  /** Computes anew and sends it when it differs. Returns how many subscribers were told something. */
  refresh(): number {
    let frame: GrpcFrame | undefined;
    try {
      frame = this.#encode();
    } catch {
      return 0; // ambiguous for a moment (an address passes from pod to pod): what was said stays in force
    }
    if (frame && this.#frame && Buffer.from(frame).equals(this.#frame)) return 0;
    this.#frame = frame;
    const told = [...this.#subscribers];
    for (const subscriber of told) {
      if (frame) subscriber.send(frame);
      else subscriber.end();
    }
    return told.length;
  }

  #encode(): GrpcFrame | undefined {
    const profile = this.#compute();
    return profile && frameMessage(DestinationProfile.encode(profile).finish());
  }
}
