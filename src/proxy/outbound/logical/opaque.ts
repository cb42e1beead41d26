import type { Random } from "#lib/random";
import type { EarlyServer } from "../../accept/detect.ts";
import type { HeldClient } from "../../accept/held-client.ts";
import { RelayError } from "../../errors.ts";
import { NOTHING_EARLY, OpaqueRelay } from "../../relay/opaque.ts";
import type { ConnectOutcome } from "../endpoint/connector.ts";
import { pickBackend } from "./pick-backend.ts";
import type { TcpRule } from "./policy.ts";

/** Connects an opaque client's server by a rule: the backend by weight, the endpoint by its balancer. */
export function connectByRule(rule: TcpRule | undefined, random: Random, outcome: ConnectOutcome): { cancel(): void } {
  const backend = rule && pickBackend(rule.distribution, random);
  const refusal = rule?.refusal ?? backend?.refusal;
  if (!rule || refusal !== undefined || !backend?.concrete) {
    const failure = refusal
      ? new RelayError("unauthorized", "proxy", "never", `connection refused: ${refusal}`)
      : new RelayError("no-route", "proxy", "never", "no opaque route or backend");
    queueMicrotask(() => outcome.failed(failure));
    return { cancel() {} };
  }
  return backend.concrete.connect(outcome);
}

/** Relays an opaque client to its server, dialled now or already there. `finished` runs when it is over. */
export function relayOpaque(
  client: HeldClient,
  early: EarlyServer | null,
  connect: (outcome: ConnectOutcome) => { cancel(): void },
  finished: (failure: RelayError | undefined) => void,
): void {
  if (client.isGone) {
    early?.transport.terminate();
    finished(undefined);
    return;
  }
  if (early) {
    const relay = new OpaqueRelay(client.transport, early.transport, () => finished(undefined));
    relay.start(client.take(), { chunks: early.chunks, hasEnded: early.hasEnded });
    return;
  }
  const dial = connect({
    connected: (transport) => {
      const relay = new OpaqueRelay(client.transport, transport, () => finished(undefined));
      relay.start(client.take(), NOTHING_EARLY);
    },
    failed: (failure) => {
      client.take();
      client.transport.terminate();
      finished(failure);
    },
  });
  client.onGone(() => {
    dial.cancel();
    finished(undefined);
  });
}
