/**
 * What runs in a pod's network namespace before the proxy: `init` redirects the pod's TCP traffic to the proxy (iptables),
 * `validate` checks that someone did so. Neither stays running. It does not decide which pods get them: `manifests/inject` does.
 *
 * Reading order: flags -> rules (pure) -> firewall (the commands) -> init; validator.
 */
export { parseInitFlags } from "./flags.ts";
export { initNetwork } from "./init.ts";
export type { InitOptions } from "./init-options.ts";
export { type CommandResult, type CommandRunner, systemRunner } from "./run-command.ts";
export { VALIDATION_FAILED, type ValidatorSockets, validateNetwork } from "./validator.ts";
export { parseValidatorFlags, type ValidatorOptions } from "./validator-flags.ts";
