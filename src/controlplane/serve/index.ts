/**
 * What the control-plane programs share: flags, log, life cycle, readiness; and the server of admission webhooks.
 * Knows no Linkerd resource. Each program imports the files it needs.
 */
export * from "./flags.ts";
export * from "./program.ts";
export * from "./readiness.ts";
