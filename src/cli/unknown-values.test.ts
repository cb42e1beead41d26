import { expect, test } from "bun:test";
import { unknownValues } from "./unknown-values.ts";

test("a slip of the finger is named with what was meant", () => {
  expect(unknownValues({ proxy: { logLevl: "debug" }, controllerReplica: 2 })).toEqual([
    'No value is called "proxy.logLevl": it changes nothing (did you mean proxy.logLevel?)',
    'No value is called "controllerReplica": it changes nothing (did you mean controllerReplicas?)',
  ]);
});

test("a value that only other charts know is named without a guess", () => {
  expect(unknownValues({ podMonitor: { enabled: true } })).toEqual([
    'No value is called "podMonitor": it changes nothing',
  ]);
});

test("values without a default and maps of the user's own keys are fine", () => {
  const fine = {
    tolerations: [],
    nodeSelector: { disk: "ssd" },
    podAnnotations: { a: "b" },
    proxy: { cores: 2, resources: { cpu: { request: "1" } }, inbound: { server: { http2: { maxStreams: 1 } } } },
    identityResources: { cpu: { request: "1" } },
  };
  expect(unknownValues(fine)).toEqual([]);
});
