/**
 * A small Kubernetes in one process tree, real where it matters: the API, admission, RBAC, Services, DNS, and pods as processes of
 * this machine in namespaces of their own. It knows nothing of a mesh: what images mean is handed in. It keeps nothing:
 * with the playground everything in it is gone.
 *
 * Reading order: front/front.ts (the process that starts it and the one it starts), inner.ts (what is in it), then the
 * parts: store/ and api/ (objects and HTTP), controllers/, node/ (agent.ts → pod-worker.ts → pod-life.ts →
 * container-process.ts), dns/.
 */
export { type Front, type FrontOptions, type InnerMessage, startFront } from "./front/front.ts";
export { type Footing, findFooting, type Machine, PrerequisiteError } from "./front/prerequisites.ts";
export { type PlaygroundState, StateFolder, startTicksOf } from "./front/state-folder.ts";
export { type InnerOptions, runInner } from "./inner.ts";
export { type Image, type ImageTable, imageName } from "./node/image.ts";
