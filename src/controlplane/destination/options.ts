import type { Http2ClientParams } from "#proto/destination";
import type { PortSet } from "./port-set.ts";

/** What every translation depends on, fixed when the program starts. */
export interface DestinationOptions {
  readonly controlPlaneNs: string;
  /** Empty: endpoints carry no TLS identity. */
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly defaultOpaquePorts: PortSet;
  readonly enableH2Upgrade: boolean;
  /** True: meshed endpoints are always reached through their proxy's inbound port (`transport-header` mode). */
  readonly forceOpaqueTransport: boolean;
  readonly enableIpv6: boolean;
  readonly zoneWeights: boolean;
  readonly http2ClientParams: Http2ClientParams | undefined;
}
