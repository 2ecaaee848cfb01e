import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, type PayloadMessage } from "../src/index.js";
import { codeOf, establish, onlySocket, open, settle, setUp, setUpGuest } from "./fake_client.js";
import type { FakeRequest, FakeSocket } from "./fake_socket.js";

const NEWS = { pattern: { kind: "news", channel: "*" } };

/** Takes the requests to subscribe that wait, accepts each, and returns what was asked for. */
async function acceptAll(socket: FakeSocket): Promise<unknown[]> {
  const asked: unknown[] = [];
  await settle();
  while (socket.requests.length > 0) {
    const request = socket.take("hornet:subscribe");
    const subscriptions = subscriptionsOf(request);
    asked.push(...subscriptions.map((fields) => fields["channel"] ?? fields["pattern"]));
    request.answer(request.fields["subscriptions"] ? { subscriptions: subscriptions.map(() => ({ ok: true })) } : {});
    await settle();
  }
  return asked;
}

/** Returns the subscriptions that a request carries: one, or several. */
function subscriptionsOf(request: FakeRequest): Record<string, unknown>[] {
  return (request.fields["subscriptions"] as Record<string, unknown>[] | undefined) ?? [request.fields];
}

/** Lets the connection break and come back. */
async function reconnect(socket: FakeSocket, tick: (ms: number) => void): Promise<void> {
  socket.close("transport close");
  tick(1000);
  socket.open();
  await settle();
}

test("subscribe asks for the channel and resolves with the answer", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const subscribed = hornet.subscribe("public-a");
  await settle();
  const request = socket.take("hornet:subscribe");
  assert.deepEqual(request.fields, { channel: "public-a" });
  request.answer({ channel: "public-a" });
  assert.deepEqual(await subscribed, { channel: "public-a" });
});

test("subscribe asks for a pattern, by its keys", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const both = [hornet.subscribe(NEWS), hornet.subscribe({ ...NEWS, subset: true })];
  await settle();
  const request = socket.take("hornet:subscribe");
  assert.deepEqual(request.fields, { subscriptions: [NEWS, { ...NEWS, subset: true }] });
  const [plain, subset] = [{ pattern: "channel:*|kind:news" }, { pattern: "channel:*|kind:news|*" }];
  request.answer({ subscriptions: [{ ok: true, ...plain }, { ok: true, ...subset }] });
  assert.deepEqual(await Promise.all(both), [{ pattern: "channel:*|kind:news" }, { pattern: "channel:*|kind:news|*" }]);
});

test("subscribing before the connection waits for it", async (t) => {
  const { hornet } = setUp(t);
  const subscribed = hornet.subscribe("public-a");
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  await settle();
  assert.deepEqual(socket.requests, []);
  socket.accept();
  assert.deepEqual(await acceptAll(socket), ["public-a"]);
  await subscribed;
});

test("a refused subscription rejects with the server's code, and is not asked for again", async (t) => {
  const { hornet, heard, tick } = setUp(t);
  const socket = establish(hornet);
  const subscribed = hornet.subscribe("public-a");
  await settle();
  socket.take("hornet:subscribe").refuse("FORBIDDEN");
  assert.equal(await codeOf(subscribed), "FORBIDDEN");
  await reconnect(socket, tick);
  socket.accept();
  await settle();
  assert.deepEqual(socket.requests, []);
  assert.deepEqual(heard, ["connected", "disconnect:transport close", "connected"]);
});

test("a private channel is opened by what authorize gives for this connection", async (t) => {
  const presence = '{"id":"7"}';
  const authorize = (channel: string, id: string) => ({ signature: `${channel} for ${id}`, presence });
  const { hornet } = setUpGuest(t, { authorize });
  const socket = open(hornet);
  const subscribed = hornet.subscribe("private-a");
  await settle();
  const request = socket.take("hornet:subscribe");
  assert.deepEqual(request.fields, { channel: "private-a", signature: "private-a for connection 1", presence });
  request.answer({ channel: "private-a", members: [{ id: "7" }] });
  assert.deepEqual((await subscribed).members, [{ id: "7" }]);
});

test("authorize is asked for private channels only, by the subscription's own function if it has one", async (t) => {
  const { hornet, asked } = setUpGuest(t);
  const socket = open(hornet);
  const own = async (channel: string) => ({ signature: `own for ${channel}`, presence: null });
  for (const channel of ["Private-a", "public-a", "private-b"]) {
    void hornet.subscribe(channel, channel === "private-b" ? { authorize: own } : {});
  }
  await settle();
  const fields = socket.requests.splice(0).map((request) => (request.answer({}), request.fields));
  assert.deepEqual(fields, [
    { channel: "Private-a", signature: "Private-a for connection 1" },
    { channel: "private-b", signature: "own for private-b" },
  ]);
  assert.deepEqual(asked, [["Private-a", "connection 1"]]);
  assert.deepEqual(await acceptAll(socket), ["public-a"]);
});

for (const [what, authorize] of Object.entries({
  "that throws": () => assert.fail("no"),
  "that rejects": async () => Promise.reject(new Error("no")),
  "without a signature": async () => ({}) as { signature: string },
  "with presence that is no text": async () => ({ signature: "s", presence: { id: "7" } as unknown as string }),
  "that gives nothing": async () => undefined as unknown as { signature: string },
})) {
  test(`an authorize ${what} rejects the subscription and sends nothing`, async (t) => {
    const { hornet } = setUpGuest(t, { authorize });
    const socket = open(hornet);
    assert.equal(await codeOf(hornet.subscribe("private-a")), "AUTHORIZATION_UNAVAILABLE");
    assert.deepEqual(socket.requests, []);
  });
}

test("after a reconnection a page without a token subscribes again, with new signatures", async (t) => {
  const { hornet, asked, tick } = setUpGuest(t);
  const socket = open(hornet);
  void hornet.subscribe("private-a");
  void hornet.subscribe(NEWS);
  assert.deepEqual(await acceptAll(socket), ["private-a", NEWS.pattern]);
  await reconnect(socket, tick);
  const request = socket.take("hornet:subscribe");
  assert.deepEqual(request.fields, { channel: "private-a", signature: "private-a for connection 2" });
  assert.deepEqual(socket.requests, [], "all else waits until the signature has let the session in");
  request.answer({});
  assert.deepEqual(await acceptAll(socket), [NEWS.pattern]);
  assert.deepEqual(asked, [["private-a", "connection 1"], ["private-a", "connection 2"]]);
});

test("after a reconnection a page with a token subscribes again when that is accepted", async (t) => {
  const { hornet, tick } = setUp(t, { token: () => "fresh" });
  hornet.connect();
  await settle();
  const socket = onlySocket();
  socket.open();
  socket.accept();
  void hornet.subscribe("public-a");
  assert.deepEqual(await acceptAll(socket), ["public-a"]);
  socket.close("transport close");
  tick(1000);
  await settle();
  socket.open();
  await settle();
  assert.deepEqual(socket.requests, []);
  socket.accept();
  assert.deepEqual(await acceptAll(socket), ["public-a"]);
});

test("each subscription made is told on channel hornet, with its members", async (t) => {
  const { hornet, tick } = setUpGuest(t);
  const told: unknown[] = [];
  hornet.on("hornet", "subscribed", ({ subscription, members }) => told.push([subscription, members]));
  const socket = open(hornet);
  void hornet.subscribe("private-a");
  void hornet.subscribe(NEWS);
  await settle();
  socket.take("hornet:subscribe").answer({ channel: "private-a", members: [{ id: "7" }] });
  await acceptAll(socket);
  await reconnect(socket, tick);
  socket.take("hornet:subscribe").answer({ channel: "private-a", members: [] });
  await settle();
  assert.deepEqual(told, [
    ["private-a", [{ id: "7" }]],
    ["channel:*|kind:news", undefined],
    ["private-a", []],
  ]);
});

test("a subscription under way when the connection breaks is made on the next one", async (t) => {
  const { hornet, tick } = setUpGuest(t);
  const socket = open(hornet);
  const subscribed = hornet.subscribe("private-a");
  await settle();
  const lost = socket.take("hornet:subscribe");
  await reconnect(socket, tick);
  lost.answer({ channel: "private-a", from: "the lost connection" });
  const request = socket.take("hornet:subscribe");
  assert.equal(request.fields["signature"], "private-a for connection 2");
  request.answer({ channel: "private-a" });
  assert.deepEqual(await subscribed, { channel: "private-a" });
});

test("an authorize that answers after its connection is gone changes nothing on the next one", async (t) => {
  const answers: ((authorization: { signature: string }) => void)[] = [];
  const authorize = () => new Promise<{ signature: string }>((resolve) => answers.push(resolve));
  const { hornet, tick } = setUpGuest(t, { authorize });
  const socket = open(hornet);
  void hornet.subscribe("private-a");
  await reconnect(socket, tick);
  answers[0]!({ signature: "for the lost connection" });
  await settle();
  assert.deepEqual(socket.requests, []);
  answers[1]!({ signature: "for this connection" });
  await settle();
  assert.equal(socket.take("hornet:subscribe").fields["signature"], "for this connection");
});

test("a token of a subscription is shown once, and one from a function anew each time", async (t) => {
  const { hornet, tick } = setUp(t);
  let number = 0;
  const socket = establish(hornet);
  void hornet.subscribe("a", { token: "once" });
  void hornet.subscribe(NEWS, { token: () => `fresh-${(number += 1)}` });
  const tokens = async () => {
    await settle();
    const tokens = socket.requests.splice(0).map((request) => (request.answer({}), request.fields["token"]));
    await settle();
    return tokens.sort();
  };
  assert.deepEqual(await tokens(), ["fresh-1", "once"]);
  await reconnect(socket, tick);
  socket.accept();
  assert.deepEqual(await tokens(), ["fresh-2", undefined]);
});

test("a subscription that can't be made again is told on channel hornet and given up", async (t) => {
  const { hornet, tick } = setUp(t);
  const errors: unknown[] = [];
  hornet.on("hornet", "error", ({ error, subscription, retrying }) => errors.push([error, subscription, retrying]));
  const socket = establish(hornet);
  void hornet.subscribe("a", { token: "once" });
  assert.deepEqual(await acceptAll(socket), ["a"]);
  await reconnect(socket, tick);
  socket.accept();
  await settle();
  socket.take("hornet:subscribe").refuse("FORBIDDEN");
  await settle();
  assert.deepEqual(errors, [["FORBIDDEN", "a", false]]);
  await reconnect(socket, tick);
  socket.accept();
  assert.deepEqual(await acceptAll(socket), []);
});

test("one that fails for now is tried again after 1, 2, 4 seconds", async (t) => {
  const { hornet, tick } = setUp(t);
  const errors: unknown[] = [];
  hornet.on("hornet", "error", ({ error, retrying }) => errors.push([error, retrying]));
  const socket = establish(hornet);
  void hornet.subscribe("a");
  await acceptAll(socket);
  await reconnect(socket, tick);
  socket.accept();
  for (const wait of [1000, 2000, 4000]) {
    await settle();
    socket.take("hornet:subscribe").refuse("UNAVAILABLE");
    await settle();
    tick(wait - 1);
    await settle();
    assert.deepEqual(socket.requests, []);
    tick(1);
  }
  assert.deepEqual(await acceptAll(socket), ["a"]);
  assert.deepEqual(errors, [["UNAVAILABLE", true], ["UNAVAILABLE", true], ["UNAVAILABLE", true]]);
});

test("hundreds of subscriptions go in a few requests, and wait when they come too fast", async (t) => {
  const { hornet, tick } = setUp(t);
  const socket = establish(hornet);
  const all = Array.from({ length: 300 }, (_, number) => hornet.subscribe(`public-${number}`));
  await settle();
  assert.deepEqual(socket.requests.map((request) => subscriptionsOf(request).length), [50, 50]);
  for (const request of socket.requests.splice(0)) request.refuse("TOO_MANY_EVENTS");
  await settle();
  assert.deepEqual(socket.requests, []);
  tick(1000);
  assert.equal((await acceptAll(socket)).length, 300);
  await Promise.all(all);
});

test("one refused subscription of a request does not touch the others", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const [first, second] = [hornet.subscribe("public-a"), hornet.subscribe("secret")];
  const code = codeOf(second);
  await settle();
  const error = { code: "FORBIDDEN", message: "no" };
  socket.take("hornet:subscribe").answer({ subscriptions: [{ ok: true, channel: "public-a" }, { error }] });
  assert.deepEqual(await first, { channel: "public-a" });
  assert.equal(await code, "FORBIDDEN");
});

test("private channels share requests, and a subscription with a token travels alone", async (t) => {
  const { hornet } = setUp(t, { authorize: (channel) => ({ signature: `signed ${channel}` }) });
  const socket = establish(hornet);
  void hornet.subscribe("a", { token: "one" });
  for (const name of ["x", "y", "z"]) void hornet.subscribe(`private-${name}`);
  await settle();
  assert.deepEqual(socket.requests.map((request) => subscriptionsOf(request).length).sort(), [1, 3]);
  assert.equal((await acceptAll(socket)).length, 4);
});

test("requests keep to a pace", async (t) => {
  const { hornet, tick } = setUp(t);
  const socket = establish(hornet);
  for (let number = 0; number < 120; number += 1) void hornet.subscribe(`a-${number}`, { token: `t-${number}` });
  await settle();
  while (socket.requests.length < 50) await settle();
  await settle();
  assert.equal(socket.requests.length, 50);
  tick(40);
  await settle();
  assert.equal(socket.requests.length, 51);
});

test("a subscription that waits for its turn is taken back without a request", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const code = codeOf(hornet.subscribe("public-a"));
  const done = hornet.unsubscribe("public-a");
  assert.deepEqual(await done, { subscribed: false });
  assert.equal(await code, "UNSUBSCRIBED");
  assert.deepEqual(await acceptAll(socket), []);
  void hornet.subscribe("public-b");
  assert.deepEqual(await acceptAll(socket), ["public-b"]);
});

test("asking twice at a time is asking once", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const both = [hornet.subscribe("public-a"), hornet.subscribe("public-a")];
  assert.deepEqual(await acceptAll(socket), ["public-a"]);
  await Promise.all(both);
});

test("asking again for what is held tells the members anew, and changes nothing if it is refused", async (t) => {
  const { hornet, tick } = setUpGuest(t);
  const socket = open(hornet);
  void hornet.subscribe("private-a");
  await acceptAll(socket);
  const again = hornet.subscribe("private-a");
  await settle();
  socket.take("hornet:subscribe").refuse("BAD_PRESENCE");
  assert.equal(await codeOf(again), "BAD_PRESENCE");
  await reconnect(socket, tick);
  assert.deepEqual(await acceptAll(socket), ["private-a"]);
});

test("unsubscribe asks the server, and the channel is not asked for again", async (t) => {
  const { hornet, tick } = setUpGuest(t);
  const socket = open(hornet);
  void hornet.subscribe("private-a");
  await acceptAll(socket);
  const done = hornet.unsubscribe("private-a");
  const request = socket.take("hornet:unsubscribe");
  assert.deepEqual(request.fields, { channel: "private-a" });
  request.answer({ channel: "private-a", subscribed: true });
  assert.deepEqual(await done, { subscribed: true });
  await reconnect(socket, tick);
  assert.deepEqual(await acceptAll(socket), []);
});

test("unsubscribe from a pattern, or from a channel of the token, is for the server to answer", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const both = [hornet.unsubscribe(NEWS), hornet.unsubscribe("news")];
  const first = socket.take("hornet:unsubscribe");
  assert.deepEqual(first.fields, NEWS);
  first.refuse("NOT_SUBSCRIBED");
  assert.equal(await codeOf(both[0]!), "NOT_SUBSCRIBED");
  socket.take("hornet:unsubscribe").answer({ channel: "news", subscribed: false });
  assert.deepEqual(await both[1], { subscribed: false });
});

test("unsubscribe before the connection needs no server", async (t) => {
  const { hornet } = setUpGuest(t);
  const subscribed = hornet.subscribe("private-a");
  const code = codeOf(subscribed);
  assert.deepEqual(await hornet.unsubscribe("private-a"), { subscribed: false });
  assert.equal(await code, "UNSUBSCRIBED");
  assert.deepEqual(await acceptAll(open(hornet)), []);
});

test("unsubscribe overtakes a subscription under way, whatever the server says to that", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const code = codeOf(hornet.subscribe("public-a"));
  await settle();
  const done = hornet.unsubscribe("public-a");
  socket.take("hornet:subscribe").refuse("FORBIDDEN");
  socket.take("hornet:unsubscribe").refuse("NOT_SUBSCRIBED");
  assert.deepEqual(await done, { subscribed: false });
  assert.equal(await code, "UNSUBSCRIBED");
});

test("disconnect gives up what was not made, and connect makes again what was", async (t) => {
  const { hornet } = setUpGuest(t);
  const socket = open(hornet);
  void hornet.subscribe("private-a");
  await acceptAll(socket);
  const code = codeOf(hornet.subscribe("private-b"));
  hornet.disconnect();
  assert.equal(await code, "DISCONNECTED");
  hornet.connect();
  socket.open();
  assert.deepEqual((await acceptAll(socket)).filter((channel) => channel !== "private-b"), ["private-a"]);
});

test("messages of subscribed channels reach their handlers by type, and by every type", async (t) => {
  const { hornet } = setUp(t);
  const got: string[] = [];
  const every = (message: Message) => got.push(`* ${message.type}`);
  hornet.on("private-a", "*", every).on("private-a", "presence-add", ({ type }) => got.push(type));
  const socket = establish(hornet);
  socket.say({ type: "presence-add", channel: "private-a", members: [] });
  socket.say({ type: "*", channel: "private-a" });
  hornet.un("private-a", "*", every);
  socket.say({ type: "other", channel: "private-a" });
  assert.deepEqual(got, ["presence-add", "* presence-add", "* *"]);
});

test("what a pattern heard reaches the handlers of that pattern", async (t) => {
  const { hornet } = setUp(t);
  const got: unknown[] = [];
  const handler = (message: Message) => got.push(message.channel);
  hornet.on(NEWS, "headline", handler);
  hornet.on({ pattern: { kind: "news" }, subset: true }, "*", ({ type }) => got.push(`subset ${type}`));
  const socket = establish(hornet);
  const headline = { type: "headline", channel: "channel:CNN|kind:news" };
  socket.say({ ...headline, pattern: "channel:*|kind:news" });
  socket.say({ ...headline, pattern: "kind:news|*" });
  hornet.un(NEWS, "headline", handler);
  socket.say({ ...headline, pattern: "channel:*|kind:news" });
  assert.deepEqual(got, ["channel:CNN|kind:news", "subset headline"]);
});

test("JSON that is no message reaches the handlers of payloads, and those of all types", async (t) => {
  const { hornet } = setUp(t);
  const got: unknown[] = [];
  hornet.on<PayloadMessage>(NEWS, "payload", ({ payload }) => got.push(payload));
  hornet.on(NEWS, "*", ({ type }) => got.push(type));
  const payload = { type: "payload", channel: "channel:CNN|kind:news", pattern: "channel:*|kind:news" };
  const socket = establish(hornet);
  socket.say({ ...payload, payload: null });
  socket.say({ ...payload, payload: ["any", "JSON"] });
  assert.deepEqual(got, [null, "payload", ["any", "JSON"], "payload"]);
});

test("a message of a channel that has a field of that name is not taken for a pattern's", async (t) => {
  const { hornet } = setUp(t);
  const got: string[] = [];
  hornet.on(NEWS, "*", () => got.push("pattern")).on("chat", "*", () => got.push("channel"));
  establish(hornet).say({ type: "headline", channel: "chat", pattern: "channel:*|kind:news" });
  assert.deepEqual(got, ["channel"]);
});
