/**
 * The validator of ServiceProfiles: a webhook that the API server asks before it stores one.
 * Reading order: validate-profile.ts (the rules, pure), run.ts (the server around them).
 */
export { reviewProfile, run, type SpValidatorOptions, startSpValidator } from "./run.ts";
export { validateProfile } from "./validate-profile.ts";
