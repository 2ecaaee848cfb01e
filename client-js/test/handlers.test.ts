import assert from "node:assert/strict";
import { test } from "node:test";
import { Handlers } from "../src/handlers.js";

function setUp() {
  const reported: unknown[] = [];
  const calls: string[] = [];
  const handlers = new Handlers((error) => reported.push(error));
  return { handlers, reported, calls, note: (name: string) => () => void calls.push(name) };
}

const message = { type: "item", channel: "news" };

test("handlers of a type and channel are called in order, others are not", () => {
  const { handlers, calls, note } = setUp();
  handlers.add("news", "item", note("first"));
  handlers.add("news", "item", note("second"));
  handlers.add("news", "other", note("other type"));
  handlers.add("sport", "item", note("other channel"));
  handlers.raise(message);
  assert.deepEqual(calls, ["first", "second"]);
});

test("a handler that throws is reported and stops no other", () => {
  const { handlers, reported, calls, note } = setUp();
  const failure = new Error("mine");
  handlers.add("news", "item", () => {
    throw failure;
  });
  handlers.add("news", "item", note("after"));
  handlers.raise(message);
  assert.deepEqual(calls, ["after"]);
  assert.deepEqual(reported, [failure]);
});

test("a handler that removes itself does not make the next one miss the message", () => {
  const { handlers, calls, note } = setUp();
  const once = () => {
    calls.push("once");
    handlers.remove("news", "item", once);
  };
  handlers.add("news", "item", once);
  handlers.add("news", "item", note("next"));
  handlers.raise(message);
  handlers.raise(message);
  assert.deepEqual(calls, ["once", "next", "next"]);
});

test("a handler added while a message is handled waits for the next message", () => {
  const { handlers, calls, note } = setUp();
  handlers.add("news", "item", () => handlers.add("news", "item", note("late")));
  handlers.raise(message);
  assert.deepEqual(calls, []);
});

test("a handler added twice is called twice, and once after one removal", () => {
  const { handlers, calls, note } = setUp();
  const twice = note("twice");
  handlers.add("news", "item", twice);
  handlers.add("news", "item", twice);
  handlers.raise(message);
  handlers.remove("news", "item", twice);
  handlers.raise(message);
  assert.equal(calls.length, 3);
});

test("removing what was never added changes nothing", () => {
  const { handlers, calls, note } = setUp();
  handlers.add("news", "item", note("kept"));
  handlers.remove("news", "item", note("stranger"));
  handlers.remove("news", "absent", note("stranger"));
  handlers.remove("absent", "item", note("stranger"));
  handlers.raise(message);
  assert.deepEqual(calls, ["kept"]);
});

test("channels and types named like properties of objects are ordinary names", () => {
  const { handlers, calls, note } = setUp();
  handlers.raise({ type: "toString", channel: "__proto__" });
  handlers.add("__proto__", "constructor", note("called"));
  handlers.raise({ type: "constructor", channel: "__proto__" });
  assert.deepEqual(calls, ["called"]);
});
