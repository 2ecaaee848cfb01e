// How the client comes back to its session: what it shows, and what it does with the server's answer.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Hornet, type HornetOptions, type Message } from "../src/index.js";
import { CHANNELS, onlySocket, settle, setUp, setUpGuest } from "./fake_client.js";
import type { FakeRequest, FakeSocket } from "./fake_socket.js";

const ASK = "hornet:session";
const NEWS = { pattern: { kind: "news" } };

/** A client with a token function that was let in. `calls` counts the function's calls; `gaps` are the channels told. */
async function begin(t: TestContext, options: Partial<HornetOptions> = {}) {
  const calls = { token: 0 };
  const token = () => `t${(calls.token += 1)}`;
  const given = setUp(t, { token, ...options });
  const gaps: unknown[] = [];
  given.hornet.on("hornet", "gap", ({ channels, patterns = [], reason }) => gaps.push([[...channels, ...patterns], reason]));
  given.hornet.connect();
  await settle();
  const socket = onlySocket();
  socket.open();
  socket.begin("secret 1", "e-1-n-1");
  return { ...given, socket, calls, gaps };
}

/** Lets the connection break and open again. */
async function reopen(socket: FakeSocket, tick: (ms: number) => void): Promise<void> {
  socket.close("transport close");
  tick(1000);
  await settle();
  socket.open();
  await settle();
}

/** The server does not take the session back. */
async function refuseSession(socket: FakeSocket): Promise<void> {
  socket.take(ASK).answer({ authenticated: false });
  await settle();
}

/** Accepts all that the client asks for, and returns the fields of each subscription. */
async function acceptAll(socket: FakeSocket, answerOf: (fields: object) => object = () => ({})): Promise<object[]> {
  const subscriptions: object[] = [];
  while (socket.requests.length > 0) {
    const { fields, answer } = nextSubscription(socket);
    const several = fields["subscriptions"] as object[] | undefined;
    subscriptions.push(...(several ?? [fields]));
    answer(several ? { subscriptions: several.map((one) => ({ ok: true, ...answerOf(one) })) } : answerOf(fields));
    await settle();
  }
  return subscriptions;
}

function nextSubscription(socket: FakeSocket): FakeRequest {
  return socket.take("hornet:subscribe");
}

test("the client asks for positions, and its page's own payload stays", async (t) => {
  const { socket } = await begin(t, { io: { auth: { jwt: "own" } } });
  assert.deepEqual(socket.payloads, [{ jwt: "own", positions: true }]);
});

test("a payload that the page makes for each connection stays too", async (t) => {
  const { socket } = await begin(t, { io: { auth: (send) => send({ jwt: "made" }) } });
  assert.deepEqual(socket.payloads, [{ jwt: "made", positions: true }]);
});

test("recovery: false leaves the page's payload as it is, and nothing is kept", async (t) => {
  const auth = { jwt: "own" };
  const { socket, hornet, tick, calls } = await begin(t, { recovery: false, io: { auth } });
  assert.equal(socket.options.auth, auth);
  assert.deepEqual(hornet.state(), { channels: CHANNELS, subscriptions: [] });
  await reopen(socket, tick);
  assert.deepEqual([calls.token, socket.tokens], [2, ["t1", "t2"]]);
});

test("after a loss the session and the last position are shown, and no token", async (t) => {
  const { socket, hornet, tick, calls, heard, gaps } = await begin(t);
  const got: unknown[] = [];
  hornet.on("news", "item", (message) => got.push(message["id"]));
  socket.say({ type: "item", channel: "news", id: 1, position: "e-2-n-2" });
  await reopen(socket, tick);
  assert.deepEqual(socket.payloads[1], { positions: true, resume: { session: "secret 1", position: "e-2-n-2" } });
  socket.say({ type: "item", channel: "news", id: 2, position: "e-3-n-3" });
  socket.begin("secret 1", "e-3-n-3", true);
  socket.take(ASK).answer({ authenticated: true });
  await settle();
  assert.deepEqual(got, [1, 2]);
  assert.deepEqual([calls.token, socket.tokens], [1, ["t1"]]);
  assert.deepEqual(heard, ["connected", "disconnect:transport close", "connected"]);
  assert.deepEqual(gaps, []);
  await reopen(socket, tick);
  assert.deepEqual(socket.payloads[2]?.["resume"], { session: "secret 1", position: "e-3-n-3" });
});

test("connected tells the page if the session recovered, and not the secret", async (t) => {
  const { socket, hornet, tick } = await begin(t);
  const connected: Message[] = [];
  hornet.on("hornet", "connected", (message) => connected.push(message));
  await reopen(socket, tick);
  socket.begin("secret 2", "e-2-n-2", true);
  const [message] = connected;
  assert.deepEqual(message, { type: "connected", channel: "hornet", msg: "CONNECTED", position: "e-2-n-2", recovered: true });
  assert.equal(hornet.state().session, "secret 2");
});

test("a gap that the server tells reaches the page before connected", async (t) => {
  const { socket, heard, gaps, tick, hornet } = await begin(t);
  hornet.on("hornet", "gap", () => heard.push("gap"));
  await reopen(socket, tick);
  socket.say({ type: "gap", channel: "hornet", channels: ["news"], reason: "trimmed" });
  socket.begin("secret 1", "e-9-n-9");
  assert.deepEqual(gaps, [[["news"], "trimmed"]]);
  assert.deepEqual(heard.slice(-2), ["gap", "connected"]);
});

test("a session that the server does not take back is replaced by a token, and the gap is told", async (t) => {
  const { socket, heard, gaps, tick, hornet, calls } = await begin(t);
  hornet.on("hornet", "gap", () => heard.push("gap"));
  await reopen(socket, tick);
  assert.equal(calls.token, 1);
  await refuseSession(socket);
  assert.deepEqual(socket.tokens, ["t1", "t2"]);
  socket.begin("secret 2", "e-9-n-9");
  assert.deepEqual(gaps, [[CHANNELS, "not_recovered"]]);
  assert.deepEqual(heard.slice(-2), ["gap", "connected"]);
  await reopen(socket, tick);
  assert.deepEqual(socket.payloads[2]?.["resume"], { session: "secret 2", position: "e-9-n-9" });
});

test("a page that its own payload lets in, but not to its session, is told of the gap", async (t) => {
  const { socket, gaps, tick, calls } = await begin(t, { io: { auth: { jwt: "own" } } });
  await reopen(socket, tick);
  socket.begin("secret 2", "e-9-n-9");
  socket.take(ASK).answer({ authenticated: true });
  await settle();
  assert.deepEqual([gaps, calls.token], [[[CHANNELS, "not_recovered"]], 1]);
});

test("a token that was refused after the session waits for another, as without recovery", async (t) => {
  const { socket, heard, gaps, tick, hornet } = await begin(t, { token: "one" });
  await reopen(socket, tick);
  await refuseSession(socket);
  socket.refuse("INVALID_TOKEN");
  tick(60_000);
  assert.deepEqual(socket.tokens, ["one", "one"]);
  hornet.token = "two";
  tick(60_000);
  assert.deepEqual(socket.tokens, ["one", "one", "two"]);
  socket.begin("secret 2", "e-9-n-9");
  assert.deepEqual(gaps, [[CHANNELS, "not_recovered"]]);
  assert.deepEqual(heard.slice(-1), ["connected"]);
});

test("while the server can't tell, the token is shown after the wait, once", async (t) => {
  const { socket, tick, gaps } = await begin(t);
  await reopen(socket, tick);
  socket.refuse("UNAVAILABLE");
  socket.take(ASK).answer({ authenticated: false });
  await settle();
  assert.deepEqual(socket.tokens, ["t1"]);
  tick(2000);
  await settle();
  assert.deepEqual(socket.tokens, ["t1", "t2"]);
  socket.begin("secret 2", "e-9-n-9");
  assert.deepEqual(gaps, [[CHANNELS, "not_recovered"]]);
});

test("a server that does not answer the session gets a token on the next connection", async (t) => {
  const { socket, tick, calls } = await begin(t);
  await reopen(socket, tick);
  socket.refuse("AUTHENTICATION_TIMEOUT");
  await reopen(socket, tick);
  assert.deepEqual([socket.payloads[2], calls.token], [{ positions: true }, 2]);
});

test("a connection that breaks before the answer shows the session again", async (t) => {
  const { socket, tick } = await begin(t);
  await reopen(socket, tick);
  socket.close("transport close");
  tick(2000);
  socket.open();
  assert.deepEqual(socket.payloads[2]?.["resume"], { session: "secret 1", position: "e-1-n-1" });
});

test("a server that recovers nothing gets tokens as ever, and its messages' position is the backend's own", async (t) => {
  const { hornet, tick } = setUp(t);
  const gaps: unknown[] = [];
  hornet.on("hornet", "gap", (message) => gaps.push(message));
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.accept();
  socket.say({ type: "item", channel: "news", position: "left" });
  assert.deepEqual(hornet.state(), { channels: CHANNELS, subscriptions: [] });
  hornet.token = "two";
  await reopen(socket, tick);
  assert.deepEqual(socket.payloads, [{ positions: true }, { positions: true }]);
  assert.deepEqual(socket.tokens, ["one", "two"]);
  socket.accept();
  assert.deepEqual(gaps, []);
});

test("a message keeps a field position of the backend's", async (t) => {
  const { socket, hornet } = await begin(t);
  const got: Message[] = [];
  hornet.on("news", "move", (message) => got.push(message));
  const message = { type: "move", channel: "news", position: "left", "hornet:position": "e-2-n-2" };
  socket.say(message);
  assert.deepEqual(got, [message]);
  assert.equal(hornet.state().position, "e-2-n-2");
});

test("a position by itself is noted, and is no message for the page", async (t) => {
  const { socket, hornet } = await begin(t);
  hornet.on("hornet", "*", (message) => assert.fail(message.type));
  socket.say({ type: "position", channel: "hornet", position: "e-5-n-5" });
  assert.equal(hornet.state().position, "e-5-n-5");
});

for (const [end, act] of [
  ["the page disconnects", (hornet: Hornet) => hornet.disconnect().connect()],
  ["the token is revoked", (_: Hornet, socket: FakeSocket) => socket.refuse("TOKEN_REVOKED")],
] as const) {
  test(`when ${end}, the session is forgotten`, async (t) => {
    const { socket, hornet, tick, gaps, calls } = await begin(t);
    act(hornet, socket);
    if (socket.connected) socket.close("io server disconnect");
    tick(1000);
    await settle();
    socket.open();
    assert.deepEqual([...socket.payloads.slice(-1), calls.token], [{ positions: true }, 2]);
    socket.begin("secret 2", "e-9-n-9");
    assert.deepEqual(gaps, []);
  });
}

test("a page that wants other channels now shows a token, and is told of a gap on those that it had", async (t) => {
  const { socket, hornet, tick, gaps } = await begin(t);
  hornet.channels = ["sport", "weather"];
  await reopen(socket, tick);
  assert.deepEqual(socket.payloads[1], { positions: true });
  socket.begin("secret 2", "e-9-n-9");
  assert.deepEqual(gaps, [[["sport"], "not_recovered"]]);
});

test("the session's subscriptions are asked for without a proof, and one that it lacks with its proof", async (t) => {
  let proofs = 0;
  const { socket, hornet, tick, gaps } = await begin(t);
  const all = [
    hornet.subscribe("public-a"),
    hornet.subscribe("orders", { token: () => `proof${(proofs += 1)}` }),
    hornet.subscribe(NEWS),
  ];
  await settle();
  await acceptAll(socket);
  await Promise.all(all);
  await reopen(socket, tick);
  socket.take(ASK);
  socket.begin("secret 1", "e-4-n-4", true);
  await settle();
  const { fields, answer } = nextSubscription(socket);
  assert.deepEqual(fields["subscriptions"], [{ channel: "public-a" }, { channel: "orders" }, NEWS]);
  const refusal = { error: { code: "FORBIDDEN", message: "" } };
  answer({ subscriptions: [{ ok: true }, refusal, { ok: true }] });
  await settle();
  const again = nextSubscription(socket);
  assert.deepEqual(again.fields, { channel: "orders", token: "proof2", since: "e-1-n-1" });
  again.answer({ channel: "orders", recovered: true, position: "e-5-n-5" });
  await settle();
  assert.deepEqual([gaps, socket.requests], [[], []]);
});

test("without the session, a channel is asked for since the loss, and what was missed is told together", async (t) => {
  const { socket, hornet, tick, gaps } = await begin(t, { channels: ["news"] });
  const all = ["public-a", "public-b", "public-c", NEWS].map((target) => hornet.subscribe(target));
  await settle();
  nextSubscription(socket).answer({ subscriptions: all.map(() => ({ ok: true })) });
  await Promise.all(all);
  socket.say({ type: "item", channel: "news", position: "e-7-n-7" });
  await reopen(socket, tick);
  await refuseSession(socket);
  socket.begin("secret 2", "e-9-n-9");
  socket.say({ type: "item", channel: "news", position: "e-10-n-10" });
  await settle();
  const { fields, answer } = nextSubscription(socket);
  const since = "e-7-n-7";
  assert.deepEqual(fields["subscriptions"], [
    { channel: "public-a", since },
    { channel: "public-b", since },
    { channel: "public-c", since },
    NEWS,
  ]);
  const whole = { ok: true, recovered: true };
  answer({ subscriptions: [whole, { ok: true, recovered: false }, { ok: true }, { ok: true }] });
  await settle();
  assert.deepEqual(gaps, [
    [["news"], "not_recovered"],
    [["public-b", "public-c", "kind:news"], "not_recovered"],
  ]);
});

test("a channel with members is entered again with a signature for the new connection", async (t) => {
  const { hornet, asked, tick } = setUpGuest(t);
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  const both = [hornet.subscribe("private-room"), hornet.subscribe("private-plain")];
  await settle();
  const hasMembers = (fields: object) => "channel" in fields && fields.channel === "private-room";
  await acceptAll(socket, (fields) => (hasMembers(fields) ? { members: [{ id: "ana" }] } : {}));
  await Promise.all(both);
  socket.begin("secret 1", "e-1-n-1");
  await reopen(socket, tick);
  socket.begin("secret 1", "e-1-n-1", true);
  socket.take(ASK);
  await settle();
  assert.deepEqual(await acceptAll(socket), [
    { channel: "private-plain" },
    { channel: "private-room", signature: "private-room for connection 2" },
  ]);
  assert.deepEqual(asked.map(([channel]) => channel), ["private-room", "private-plain", "private-room"]);
});

test("rewind and since go with the first request, and a loss is asked for by its position", async (t) => {
  const { socket, hornet, tick } = await begin(t);
  const both = [hornet.subscribe("public-a", { rewind: 5 }), hornet.subscribe("public-b", { since: "e-0" })];
  await settle();
  const { fields, answer } = nextSubscription(socket);
  const [first, second] = fields["subscriptions"] as object[];
  assert.deepEqual([first, second], [{ channel: "public-a", rewind: 5 }, { channel: "public-b", since: "e-0" }]);
  answer({ subscriptions: [{ ok: true, position: "e-1" }, { ok: true, position: "e-1", recovered: false }] });
  assert.deepEqual(await Promise.all(both), [{ position: "e-1" }, { position: "e-1", recovered: false }]);
  await reopen(socket, tick);
  await refuseSession(socket);
  socket.begin("secret 2", "e-9-n-9");
  await settle();
  const since = "e-1-n-1";
  assert.deepEqual(nextSubscription(socket).fields["subscriptions"], [
    { channel: "public-a", since },
    { channel: "public-b", since },
  ]);
});

test("a request for the past that comes too fast is sent again a second later", async (t) => {
  const { socket, hornet, tick } = await begin(t);
  const subscribed = hornet.subscribe("public-a", { rewind: 5 });
  await settle();
  nextSubscription(socket).refuse("RATE_LIMITED");
  await settle();
  assert.deepEqual(socket.requests, []);
  tick(1000);
  await settle();
  const again = nextSubscription(socket);
  assert.deepEqual(again.fields, { channel: "public-a", rewind: 5 });
  again.answer({ channel: "public-a", position: "e-1" });
  assert.deepEqual(await subscribed, { channel: "public-a", position: "e-1" });
});

test("rewind and since exclude each other, and are not for patterns", async () => {
  const hornet = new Hornet({ channels: CHANNELS, token: "one" });
  await assert.rejects(hornet.subscribe("public-a", { rewind: 1, since: "e-1" }), TypeError);
  await assert.rejects(hornet.subscribe(NEWS, { rewind: 1 }), TypeError);
});

test("a page that was loaded again comes back by the state, without a token", async (t) => {
  const first = await begin(t);
  const subscribed = first.hornet.subscribe("public-a");
  await settle();
  nextSubscription(first.socket).answer({ channel: "public-a" });
  await subscribed;
  const state = JSON.parse(JSON.stringify(first.hornet.state()));
  const session = { session: "secret 1", position: "e-1-n-1" };
  assert.deepEqual(state, { ...session, channels: CHANNELS, subscriptions: ["public-a"] });
  first.hornet.disconnect();

  const second = new Hornet({ uri: "http://hornet.test", token: () => assert.fail("no token is needed"), resume: state });
  assert.deepEqual(second.channels, CHANNELS);
  const again = second.subscribe("public-a", { token: () => assert.fail("no proof is needed") });
  second.connect();
  const socket = second.socket as unknown as FakeSocket;
  socket.open();
  assert.deepEqual(socket.payloads, [{ positions: true, resume: session }]);
  socket.begin("secret 2", "e-2-n-2", true);
  socket.take(ASK).answer({ authenticated: true });
  await settle();
  const request = nextSubscription(socket);
  assert.deepEqual(request.fields, { channel: "public-a" });
  request.answer({ channel: "public-a" });
  assert.deepEqual(await again, { channel: "public-a" });
});

test("a state without a session resumes nothing, and what is no state is refused", () => {
  const empty = new Hornet({ channels: CHANNELS, token: "one" }).state();
  assert.deepEqual(empty, { channels: CHANNELS, subscriptions: [] });
  assert.deepEqual(new Hornet({ token: "one", resume: empty }).state(), empty);
  assert.doesNotThrow(() => new Hornet({ channels: CHANNELS, token: "one", resume: null }));
  for (const wrong of [JSON.stringify(empty), {}, 7]) {
    assert.throws(() => new Hornet({ token: "one", resume: wrong as never }), TypeError);
  }
});
