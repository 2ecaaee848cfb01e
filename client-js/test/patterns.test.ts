import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesTopic, patternText } from "../src/patterns.js";

const TEXTS: [Parameters<typeof patternText>[0], string][] = [
  [{ pattern: { kind: "news", channel: "CNN" } }, "channel:CNN|kind:news"],
  [{ pattern: { kind: "news", channel: "*" } }, "channel:*|kind:news"],
  [{ pattern: { kind: "news" }, subset: true }, "kind:news|*"],
  [{ pattern: { kind: "news" }, subset: false }, "kind:news"],
  [{ pattern: { user: 7 } }, "user:7"],
  [{ pattern: { "a:b": "c|d", "a%": "**" } }, "a%25:%2A%2A|a%3Ab:c%7Cd"],
  [{ pattern: { b: "1", B: "2", é: "3" } }, "B:2|b:1|é:3"],
  [{ pattern: { "\u{1f41d}": "1", "\uffee": "2", ab: "3", a: "4" } }, "a:4|ab:3|\uffee:2|\u{1f41d}:1"],
];

for (const [subscription, text] of TEXTS) {
  test(`${JSON.stringify(subscription)} is ${text}`, () => assert.equal(patternText(subscription), text));
}

const MATCHES: [string, string, boolean][] = [
  ["channel:CNN|kind:news", "channel:CNN|kind:news", true],
  ["channel:*|kind:news", "channel:CNN|kind:news", true],
  ["channel:*|kind:news", "channel:|kind:news", true],
  ["channel:*|kind:news", "channel:CNN|kind:sport", false],
  ["channel:*|kind:news", "kind:news", false],
  ["kind:news", "channel:CNN|kind:news", false],
  ["kind:news|*", "channel:CNN|kind:news", true],
  ["kind:news|*", "kind:news", true],
  ["kind:news|*", "kind:newsletter", false],
  ["a:*|*", "ab:1", false],
  ["no pattern", "news", false],
];

for (const [text, topic, expected] of MATCHES) {
  test(`${text} ${expected ? "matches" : "does not match"} ${topic}`, () =>
    assert.equal(matchesTopic(text, topic), expected));
}
