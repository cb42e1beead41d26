/** The metrics API as a program of its own; the command line is not loaded with it. */
export { runMetricsApi } from "./program.ts";
