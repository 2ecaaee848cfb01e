import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.js";

function waits(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => backoff.next());
}

test("waits double from the first to the longest", () => {
  const backoff = new Backoff(1000, 30_000, () => 0);
  assert.deepEqual(waits(backoff, 7), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test("jitter shortens a wait above one second by at most a fifth and leaves one second alone", () => {
  const backoff = new Backoff(1000, 30_000, () => 1);
  assert.deepEqual(waits(backoff, 7), [1000, 1600, 3200, 6400, 12_800, 24_000, 24_000]);
});

test("waits below one second are exact", () => {
  const backoff = new Backoff(10, 60, () => 1);
  assert.deepEqual(waits(backoff, 5), [10, 20, 40, 60, 60]);
});

test("after a reset the waits start again", () => {
  const backoff = new Backoff(1000, 30_000, () => 0);
  waits(backoff, 5);
  backoff.reset();
  assert.deepEqual(waits(backoff, 2), [1000, 2000]);
});

test("a very long outage still waits the longest wait", () => {
  const backoff = new Backoff(1000, 30_000, () => 0);
  waits(backoff, 2000);
  assert.equal(backoff.next(), 30_000);
});
