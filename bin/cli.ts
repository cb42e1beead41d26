import { processIo, run } from "#cli";
import { extensions } from "./mesh.ts";

/** The command line: every word that is not one of the mesh's own programs. The result is the exit status. */
export function main(args: readonly string[]): Promise<number> {
  return run(args, processIo(), extensions);
}
