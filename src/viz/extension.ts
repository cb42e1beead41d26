import type { Extension } from "#cli/extension";
import { defineCheck } from "./cli/check.ts";
import { vizChecks } from "./cli/checks.ts";
import { defineEdges } from "./cli/edges.ts";
import { defineInstall } from "./cli/install.ts";
import { defineStat } from "./cli/stat.ts";

/** The viz extension as the command line sees it. */
export const viz: Extension = {
  name: "viz",
  commands(command, context) {
    defineCheck(command, context);
    defineInstall(command, context);
    defineStat(command, context);
    defineEdges(command, context);
  },
  checks: (context, { pre }) => (pre ? [] : vizChecks(context)),
};
