import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMessage } from "../src/messages.js";

test("JSON text and an object are the same message", () => {
  const message = { type: "item", channel: "news", title: "é 🐝" };
  assert.deepEqual(parseMessage(JSON.stringify(message)), message);
  assert.equal(parseMessage(message), message);
});

const strangers: unknown[] = [
  "",
  "not json",
  "{",
  "null",
  "1",
  '"text"',
  "[]",
  "{}",
  '{"type":"item"}',
  '{"channel":"news"}',
  '{"type":1,"channel":"news"}',
  '{"type":"item","channel":null}',
  null,
  undefined,
  7,
  [],
  new ArrayBuffer(2),
];
for (const raw of strangers) {
  test(`not a message: ${typeof raw} ${JSON.stringify(raw)}`, () => assert.equal(parseMessage(raw), null));
}
