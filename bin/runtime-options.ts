/**
 * Options of the runtime that only its environment can set. A process that lacks one starts itself anew in its own place:
 * same id, same descriptors, 6 ms once (docs/decisions/0006-runtime-options.md). Only the built executable does so; whoever
 * sets an option by hand keeps it.
 *
 * Returns when the options are in force, or when they cannot be had: nothing depends on them but cost. The program
 * behind sees an environment without them.
 */
export function ensureRuntimeOptions(options: Readonly<Record<string, string>>): void {
  const missing = Object.entries(options).filter(([name]) => process.env[name] === undefined);
  if (Bun.isStandaloneExecutable && missing.length > 0) {
    const env = { ...(process.env as Record<string, string>), ...Object.fromEntries(missing) };
    try {
      process.execve?.(process.execPath, [process.execPath, ...process.argv.slice(2)], env);
    } catch {} // a kernel that forbids it: the defaults will do
  }
  for (const name of Object.keys(options)) delete process.env[name];
}

/**
 * The proxy's, measured with `bench` (docs/decisions/0006-runtime-options.md). A collection after every 2.5 MB of garbage
 * instead of about 12, because the heap that lives is small; one thread that marks, helpers cost more than they bring.
 * The old generation is collected, too, before 3 MB of it are garbage (it was 6 MB, a minute's worth of 10,000 requests/s).
 * Code is compiled later than by default (500, 100,000): a proxy that sees little traffic compiles little, one that sees
 * much has it behind after the same few seconds.
 */
export const PROXY_RUNTIME = {
  BUN_JSC_gcMaxHeapSize: "2500000",
  BUN_JSC_minEdenToOldGenerationRatio: "0.6",
  BUN_JSC_numberOfGCMarkers: "1",
  BUN_JSC_thresholdForJITAfterWarmUp: "2000",
  BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "200000",
};
