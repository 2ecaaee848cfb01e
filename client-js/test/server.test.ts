// The built package against a real Socket.IO server.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Hornet, type HornetOptions, type Message } from "hornet-client";
import { ClassicServer } from "./classic_server.js";

interface Item extends Message {
  readonly title: string;
}

/** A server, and clients of it that are closed when the test ends. */
async function setUp(t: TestContext) {
  const server = await ClassicServer.start();
  t.after(() => server.stop());
  const client = (options: Partial<HornetOptions>) => {
    const hornet = new Hornet({ uri: server.uri, channels: ["news"], reconnectionDelay: 20, ...options });
    t.after(() => hornet.disconnect());
    return hornet;
  };
  return { server, client };
}

/** The next message of this type and channel. */
function next<M extends Message = Message>(hornet: Hornet, channel: string, type: string): Promise<M> {
  return new Promise((resolve) => {
    const handler = (message: M) => {
      hornet.un(channel, type, handler);
      resolve(message);
    };
    hornet.on(channel, type, handler);
  });
}

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  test(`connects and receives over ${transports.join(" and ")}`, async (t) => {
    const { server, client } = await setUp(t);
    const hornet = client({ token: server.issue("one", "news", "sport"), io: { transports } });
    const connected = next(hornet, "hornet", "connected");
    const item = next<Item>(hornet, "news", "item");
    assert.equal(hornet.connect().connected, false);
    assert.deepEqual(await connected, { type: "connected", channel: "hornet", msg: "CONNECTED" });
    assert.equal(hornet.connected, true);
    server.publish("sport", { type: "item", title: "not asked for" });
    server.publish("news", { type: "item", title: "é 🐝" });
    assert.equal((await item).title, "é 🐝");
  });
}

test("two clients on one page have their own connections", async (t) => {
  const { server, client } = await setUp(t);
  const first = client({ token: server.issue("one", "news") });
  const second = client({ token: server.issue("two", "news") });
  const both = Promise.all([next(first, "hornet", "connected"), next(second, "hornet", "connected")]);
  first.connect();
  second.connect();
  await both;
  const gone = next(first, "hornet", "disconnect");
  const item = next(second, "news", "item");
  first.disconnect();
  await gone;
  server.publish("news", { type: "item" });
  await item;
  assert.deepEqual([first.connected, second.connected], [false, true]);
});

test("a refused token is reported, and one set by the page then connects on the same socket", async (t) => {
  const { server, client } = await setUp(t);
  const hornet = client({ token: "never issued" });
  const error = next(hornet, "hornet", "error");
  const connected = next(hornet, "hornet", "connected");
  hornet.connect();
  assert.equal((await error)["error"], "INVALID_TOKEN");
  const id = hornet.socket?.id;
  hornet.token = server.issue("good", "news");
  await connected;
  assert.equal(hornet.socket?.id, id);
});

test("a channel that the token lacks is reported", async (t) => {
  const { server, client } = await setUp(t);
  const hornet = client({ token: server.issue("one", "sport") });
  const error = next(hornet, "hornet", "error");
  hornet.connect();
  assert.equal((await error)["error"], "WRONG_TOKEN_ASSOCIATION");
});

test("after the server closes the socket, a token from the disconnect handler connects again", async (t) => {
  const { server, client } = await setUp(t);
  const hornet = client({ token: server.issue("one", "news") });
  const connected = next(hornet, "hornet", "connected");
  hornet.connect();
  await connected;
  const reasons: string[] = [];
  hornet.on("hornet", "disconnect", ({ reason }) => {
    reasons.push(reason);
    hornet.token = server.issue("two", "news");
  });
  const again = next(hornet, "hornet", "connected");
  server.disconnectAll();
  await again;
  const item = next(hornet, "news", "item");
  server.publish("news", { type: "item" });
  await item;
  assert.deepEqual(reasons, ["io server disconnect"]);
});

test("a token fetched slowly after the disconnect is presented when it comes", async (t) => {
  const { server, client } = await setUp(t);
  const hornet = client({ token: server.issue("one", "news") });
  const connected = next(hornet, "hornet", "connected");
  hornet.connect();
  await connected;
  const error = next(hornet, "hornet", "error");
  const again = next(hornet, "hornet", "connected");
  server.disconnectAll();
  assert.equal((await error)["error"], "INVALID_TOKEN"); // the used token was presented again
  hornet.token = server.issue("two", "news");
  await again;
});

test("a token function carries the client over a restart of the server", async (t) => {
  const { server, client } = await setUp(t);
  let current = server;
  let fetched = 0;
  const hornet = client({
    token: async () => current.issue(`token-${(fetched += 1)}`, "news"),
    reconnectionDelayMax: 40,
  });
  const connected = next(hornet, "hornet", "connected");
  hornet.connect();
  await connected;
  const gone = next(hornet, "hornet", "disconnect");
  const again = next(hornet, "hornet", "connected");
  const { port } = server;
  await server.stop();
  await gone;
  current = await ClassicServer.start(port);
  t.after(() => current.stop());
  await again;
  const item = next(hornet, "news", "item");
  current.publish("news", { type: "item" });
  await item;
  assert.equal(current.presented, 1);
});

test("a server that is not there yet is found when it comes", async (t) => {
  const { server, client } = await setUp(t);
  const { port } = server;
  const hornet = client({ token: "one", reconnectionDelayMax: 40 });
  await server.stop();
  t.mock.method(console, "warn", () => undefined);
  const connected = next(hornet, "hornet", "connected");
  hornet.connect();
  await new Promise((resolve) => hornet.socket?.once("connect_error", resolve));
  const late = await ClassicServer.start(port);
  t.after(() => late.stop());
  late.issue("one", "news");
  await connected;
});

test("a revoked token is reported and the client stays away until it has another", async (t) => {
  const { server, client } = await setUp(t);
  const hornet = client({ token: server.issue("one", "news") });
  const connected = next(hornet, "hornet", "connected");
  hornet.connect();
  await connected;
  const error = next(hornet, "hornet", "error");
  const gone = next(hornet, "hornet", "disconnect");
  server.revoke("one");
  assert.equal((await error)["error"], "TOKEN_REVOKED");
  await gone;
  const again = next(hornet, "hornet", "connected");
  hornet.token = server.issue("two", "news");
  await again;
  assert.equal(server.presented, 2);
});

test("disconnect and connect by the page, at once, make one session", async (t) => {
  const { server, client } = await setUp(t);
  const hornet = client({ token: server.issue("one", "news") });
  const connected = next(hornet, "hornet", "connected");
  hornet.connect();
  await connected;
  const again = next(hornet, "hornet", "connected");
  hornet.disconnect();
  hornet.token = server.issue("two", "news");
  hornet.connect();
  await again;
  assert.equal(server.presented, 2);
});
