/** This build's version, as images are tagged and `linkerd version` prints. */
export const VERSION = "edge-26.11.1";
