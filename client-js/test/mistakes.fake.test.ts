// Mistakes of a page must not pass unseen.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Hornet } from "../src/index.js";
import { CHANNELS, establish, onlySocket, settle, setUp, warnings } from "./fake_client.js";

const printed: string[] = [];

beforeEach(() => {
  printed.length = 0;
  mock.method(console, "error", (text: string) => void printed.push(text));
});

/** A client without handlers, whose socket is open. */
function openWithoutHandlers(token: () => string = () => "one") {
  new Hornet({ channels: CHANNELS, token: token() }).connect();
  onlySocket().open();
  return onlySocket();
}

test("an error without a handler goes to the console, with its code and the channels", () => {
  openWithoutHandlers().refuse("INVALID_TOKEN");
  assert.equal(printed.length, 1);
  assert.match(printed[0]!, /^Hornet: INVALID_TOKEN: INVALID_TOKEN for a test \(channels: news, sport\)/);
});

test("the channels that a token does not open are those that are printed", () => {
  const error = { type: "error", channel: "hornet", error: "WRONG_TOKEN_ASSOCIATION", errorMsg: "no" };
  openWithoutHandlers().say({ ...error, channels: ["sport"] });
  assert.match(printed[0]!, /\(channels: sport\)/);
});

for (const type of ["error", "*"]) {
  test(`an error with a handler for ${type} is not printed`, () => {
    const hornet = new Hornet({ channels: CHANNELS, token: "one" });
    hornet.on("hornet", type, () => undefined).connect();
    onlySocket().open();
    onlySocket().refuse("INVALID_TOKEN");
    assert.deepEqual(printed, []);
  });
}

test("a token is sent without the white space around it", async (t) => {
  openWithoutHandlers(() => " one\n");
  assert.deepEqual(onlySocket().tokens, ["one"]);
  t.mock.timers.enable({ apis: ["setTimeout"] });
});

test("tokens from functions are trimmed too, that of a subscription as well", async (t) => {
  const { hornet } = setUp(t, { token: async () => "two\r\n" });
  hornet.connect();
  await settle();
  onlySocket().open();
  onlySocket().accept();
  assert.deepEqual(onlySocket().tokens, ["two"]);
  void hornet.subscribe("a", { token: () => "three\n" });
  void hornet.subscribe("b", { token: "four " });
  await settle();
  assert.deepEqual(onlySocket().requests.map(({ fields }) => fields["token"]).sort(), ["four", "three"]);
});

const NO_TOKENS: readonly [unknown, RegExp][] = [
  ["<!doctype html><title>500</title>", /"<!doctype html>.*is no token; does the page check the status/],
  ["Internal Server Error", /"Internal Server Error" is no token/],
  [" \n", /: an empty text is no token/],
  [undefined, /: undefined is no token/],
  [{ token: "one" }, /: a value of type object is no token/],
];
for (const [returned, expected] of NO_TOKENS) {
  test(`what a token function returned is named: ${JSON.stringify(returned)}`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    new Hornet({ channels: "news", token: (() => returned) as () => string }).connect();
    await settle();
    assert.match(printed[0]!, /^Hornet: TOKEN_UNAVAILABLE: /);
    assert.match(printed[0]!, expected);
  });
}

test("an option that does not exist is refused, with the one that was meant", async (t) => {
  const make = (options: object) => () => new Hornet(options);
  assert.throws(make({ url: "http://hornet.test", channels: "news" }), /TypeError.*no option "url"; did you mean "uri"/);
  assert.throws(make({ chanels: "news" }), /no option "chanels" \(it has uri, channels, channel, token,/);
  assert.throws(make({ toString: 1 }), /no option "toString" \(/);
  const { hornet } = setUp(t);
  establish(hornet);
  await assert.rejects(hornet.subscribe("a", { tokn: "one" } as object), /subscribe has no option "tokn"/);
  await assert.rejects(hornet.publish("a", "b", {}, { exclude_self: true } as object), /publish has no option/);
});

test("a disconnect by the server names the error before it", async (t) => {
  const { hornet } = setUp(t);
  const errors: unknown[] = [];
  hornet.on("hornet", "disconnect", ({ error }) => errors.push(error));
  const socket = establish(hornet);
  socket.refuse("TOKEN_REVOKED");
  socket.close("io server disconnect");
  hornet.token = "two";
  t.mock.timers.tick(1000);
  socket.open();
  socket.accept();
  socket.close("io server disconnect");
  assert.deepEqual(errors, ["TOKEN_REVOKED", undefined]);
});

test("a token that is neither text nor a function is refused, at once and when it is set later", (t) => {
  const promise = Promise.resolve("one");
  const make = (token: unknown) => () => new Hornet({ channels: "news", token: token as string });
  assert.throws(make(promise), /TypeError.*a function that returns it, not a value of type object; write \(\) =>/);
  assert.throws(make(12345678901), /not a value of type number$/);
  const { hornet } = setUp(t);
  assert.throws(() => (hornet.token = promise as unknown as string), /write \(\) =>/);
});

test("a handler that is no function is refused", (t) => {
  const { hornet } = setUp(t);
  const on = hornet.on.bind(hornet) as (...args: unknown[]) => unknown;
  assert.throws(() => on("news", () => undefined), /TypeError.*on\(channel, type, handler\).*not undefined/);
  assert.throws(() => on({ pattern: { kind: "news" } }, "*", null), /not null/);
  assert.throws(() => hornet.onNotification("mail", undefined as never), /onNotification\(event, handler\)/);
});

const REASONS: readonly (readonly [string, RegExp])[] = [
  ["xhr poll error", /^Hornet: cannot connect to http:\/\/hornet\.test: xhr poll error\. Does Hornet run there\?/],
  ["Invalid namespace", /^Hornet: cannot connect to http:\/\/hornet\.test: Invalid namespace\. Leave the path out of uri/],
];
for (const [reason, expected] of REASONS) {
  test(`an attempt that failed names the address and what to do: ${reason}`, (t) => {
    const { hornet } = setUp(t, { uri: "http://hornet.test" });
    hornet.connect();
    onlySocket().failToConnect(reason);
    assert.match(warnings[0]!, expected);
  });
}
