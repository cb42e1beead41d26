import { PORTS } from "#contracts/ports";
import { DestinationProfile, GetDestination } from "#proto/destination";
import { CliError, messageOf } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import { withControlPlane } from "./control-client.ts";
import { plainOf } from "./plain.ts";

const ANSWER_TIMEOUT_MS = 5_000;

/** Prints the first profile that the destination service gives for `ip:port` or `name:port`. */
export async function profile(
  address: string,
  flags: { destinationPod?: string; token: string },
  context: CliContext,
): Promise<void> {
  const request = { scheme: "k8s", path: address, contextToken: flags.token };
  const answer = await withControlPlane(context, PORTS.destination, flags.destinationPod, async (client) => {
    const path = "/io.linkerd.proxy.destination.Destination/GetProfile";
    const options = { timeoutMs: ANSWER_TIMEOUT_MS };
    try {
      for await (const first of client.serverStream(path, GetDestination, DestinationProfile, request, options))
        return first;
    } catch (failure) {
      throw new CliError(`Destination API error: ${messageOf(failure)}`, { cause: failure });
    }
    throw new CliError("Destination API error: the stream ended without an answer");
  });
  context.io.out(`${JSON.stringify(plainOf(answer), undefined, 2)}\n`);
}
