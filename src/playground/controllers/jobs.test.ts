import { expect, test } from "bun:test";
import type { Job, Pod } from "#kube/types";
import { planJob } from "./jobs.ts";

const pod = (phase: string): Pod => ({ metadata: { name: phase }, status: { phase } }) as Pod;
const job = (spec: object, status: object = {}): Job =>
  ({
    metadata: { name: "j" },
    spec: { template: {}, completions: 1, parallelism: 1, ...spec },
    status,
  }) as unknown as Job;

test("a Job makes as many pods as are left and allowed at once", () => {
  expect(planJob(job({}), [], 0).create).toBe(1);
  expect(planJob(job({ completions: 5, parallelism: 2 }), [pod("Succeeded"), pod("Running")], 0).create).toBe(1);
  expect(planJob(job({ completions: 2, parallelism: 4 }), [pod("Succeeded")], 0).create).toBe(1);
  expect(planJob(job({ suspend: true }), [], 0).create).toBe(0);
});

test("it completes, or fails by too many failures or by its deadline", () => {
  expect(planJob(job({}), [pod("Succeeded")], 0).condition).toMatchObject({ type: "Complete" });
  expect(planJob(job({ backoffLimit: 1 }), [pod("Failed")], 0)).toMatchObject({ create: 1, condition: undefined });
  expect(planJob(job({ backoffLimit: 1 }), [pod("Failed"), pod("Failed")], 0).condition).toMatchObject({
    type: "Failed",
    reason: "BackoffLimitExceeded",
  });
  const late = job({ activeDeadlineSeconds: 10 }, { startTime: "1970-01-01T00:00:00Z" });
  expect(planJob(late, [pod("Running")], 10_000).condition).toMatchObject({ reason: "DeadlineExceeded" });
});
