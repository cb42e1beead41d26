/** `<sa>.<ns>.serviceaccount.identity.<controlPlaneNs>.<trustDomain>`: who a workload is in the mesh, also its TLS server name. */
export function identityName(parts: {
  readonly serviceAccount: string;
  readonly namespace: string;
  readonly controlPlaneNs: string;
  readonly trustDomain: string;
}): string {
  return `${parts.serviceAccount}.${parts.namespace}.serviceaccount.identity.${parts.controlPlaneNs}.${parts.trustDomain}`;
}
