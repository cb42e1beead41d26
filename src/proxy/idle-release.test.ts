import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { IdleRelease } from "./idle-release.ts";

function make(): { interval: (cpuMs: number) => void; told: string[]; idle: IdleRelease } {
  const clock = new FakeClock();
  let cpu = 0;
  const told: string[] = [];
  const tell = (what: string) => (): void => {
    told.push(what);
    cpu += 500; // it takes time itself
  };
  const idle = new IdleRelease({ clock, cpuMs: () => cpu, collect: tell("collect"), shrink: tell("shrink") });
  idle.start();
  const interval = (cpuMs: number): void => {
    cpu += cpuMs;
    clock.advance(5_000);
  };
  return { interval, told, idle };
}

test("the first quiet interval collects, lasting quiet collects once more and then shrinks", () => {
  const { interval, told } = make();
  interval(3_000);
  expect(told).toEqual([]);
  for (let i = 0; i < 4; i++) interval(50);
  expect(told).toEqual(["collect"]);
  interval(50);
  expect(told).toEqual(["collect", "collect"]);
  for (let i = 0; i < 10; i++) interval(50);
  expect(told).toEqual(["collect", "collect", "shrink"]);
});

test("a busy proxy keeps what it has", () => {
  const { interval, told } = make();
  for (let i = 0; i < 20; i++) interval(400);
  expect(told).toEqual([]);
});

test("work after quiet leads to another release", () => {
  const { interval, told } = make();
  for (const cpuMs of [1_000, 0, 1_000, 0, 0, 0, 0, 0, 0]) interval(cpuMs);
  expect(told).toEqual(["collect", "collect", "collect", "shrink"]);
});

test("nothing happens after `stop()`", () => {
  const { interval, told, idle } = make();
  idle.stop();
  for (let i = 0; i < 10; i++) interval(0);
  expect(told).toEqual([]);
});
