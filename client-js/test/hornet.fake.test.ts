import assert from "node:assert/strict";
import { beforeEach, mock, test, type TestContext } from "node:test";
import { Hornet, type HornetOptions, type Message } from "../src/index.js";
import { sockets, type FakeSocket } from "./fake_socket.js";

const CHANNELS = ["news", "sport"];

let warnings: string[];

beforeEach(() => {
  sockets.length = 0;
  warnings = [];
  mock.restoreAll();
  mock.method(console, "warn", (text: string) => void warnings.push(text));
  mock.method(Math, "random", () => 0);
});

/** A client whose control messages are noted as "type" or "type:detail", under fake timers. */
function setUp(t: TestContext, options: Partial<HornetOptions> = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const hornet = new Hornet({ uri: "http://hornet.test", channels: CHANNELS, token: "one", ...options });
  const heard: string[] = [];
  hornet.on("hornet", "connected", (message) => heard.push(message.type));
  hornet.on("hornet", "error", (message) => heard.push(`error:${message.error}`));
  hornet.on("hornet", "disconnect", (message) => heard.push(`disconnect:${message.reason}`));
  return { hornet, heard, tick: (ms: number) => t.mock.timers.tick(ms) };
}

function onlySocket(): FakeSocket {
  assert.equal(sockets.length, 1);
  return sockets[0]!;
}

/** Connects for good: socket open, credentials accepted. */
function establish(hornet: Hornet): FakeSocket {
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.accept();
  return socket;
}

/** Lets the promises of a token function settle. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

test("the credentials are the JSON text that a Node server reads", (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  assert.deepEqual(socket.sent, ['{"token":"one","channels":["news","sport"]}']);
});

test("a channel given as one string is one channel", () => {
  assert.deepEqual(new Hornet({ channels: "news", token: "one" }).channels, ["news"]);
  assert.deepEqual(new Hornet({ channel: "news", token: "one" }).channels, ["news"]);
  assert.deepEqual(new Hornet({ channel: ["news", "sport"], token: "one" }).channels, CHANNELS);
});

test("the positional constructor works and warns", () => {
  const hornet = new Hornet("http://hornet.test", "news", "one");
  assert.match(warnings.join(), /deprecated/);
  hornet.connect();
  onlySocket().open();
  assert.equal(onlySocket().uri, "http://hornet.test");
  assert.deepEqual(onlySocket().sent, ['{"token":"one","channels":["news"]}']);
});

test("without a uri the socket is left to choose the origin of the page", () => {
  new Hornet({ channels: "news", token: "one" }).connect();
  assert.equal(onlySocket().uri, undefined);
});

test("io options reach the socket, but reconnection stays with Hornet", () => {
  new Hornet({ channels: "news", token: "one", io: { path: "/push", transports: ["polling"] } }).connect();
  const { path, transports, reconnection } = onlySocket().options as Record<string, unknown>;
  assert.deepEqual({ path, transports, reconnection }, { path: "/push", transports: ["polling"], reconnection: false });
});

for (const delay of [0, -1, NaN, Infinity]) {
  test(`a delay of ${delay} is refused`, () => {
    assert.throws(() => new Hornet({ channels: "news", reconnectionDelay: delay }), RangeError);
    assert.throws(() => new Hornet({ channels: "news", reconnectionDelayMax: delay }), RangeError);
  });
}

test("no channel is worth a warning", () => {
  new Hornet({ token: "one" });
  assert.match(warnings.join(), /no channel/);
});

test("connected is true from the server's answer until the socket is gone", (t) => {
  const { hornet } = setUp(t);
  const seen: boolean[] = [];
  hornet.on("hornet", "connected", () => seen.push(hornet.connected));
  hornet.on("hornet", "disconnect", () => seen.push(hornet.connected));
  hornet.connect();
  onlySocket().open();
  assert.equal(hornet.connected, false);
  onlySocket().accept();
  onlySocket().close("transport close");
  assert.deepEqual(seen, [true, false]);
});

test("messages reach the handlers of one channel or several, and un ends that", (t) => {
  const { hornet } = setUp(t);
  const got: Message[] = [];
  const handler = (message: Message) => got.push(message);
  hornet.on(CHANNELS, "item", handler);
  const socket = establish(hornet);
  socket.say({ type: "item", channel: "news", id: 1 });
  socket.say({ type: "item", channel: "sport", id: 2 });
  hornet.un(CHANNELS, "item", handler);
  socket.say({ type: "item", channel: "news", id: 3 });
  socket.say({ type: "item", channel: "sport", id: 4 });
  assert.deepEqual(got, [
    { type: "item", channel: "news", id: 1 },
    { type: "item", channel: "sport", id: 2 },
  ]);
});

test("a message of unknown shape is logged and the next one arrives", (t) => {
  const { hornet } = setUp(t);
  const got: unknown[] = [];
  hornet.on("news", "item", (message) => got.push(message["id"]));
  const socket = establish(hornet);
  socket.hear("not json");
  socket.hear({ type: "item", channel: "news", id: "an object" });
  assert.deepEqual(got, ["an object"]);
  assert.equal(warnings.length, 1);
});

test("other types of the control channel are raised as they come", (t) => {
  const { hornet } = setUp(t);
  const got: unknown[] = [];
  hornet.on("hornet", "shutdown", (message) => got.push(message["drain_s"]));
  establish(hornet).say({ type: "shutdown", channel: "hornet", drain_s: 5 });
  assert.deepEqual(got, [5]);
});

test("a handler that throws is reported and the client goes on", (t) => {
  const { hornet, heard, tick } = setUp(t);
  const errors = mock.method(console, "error", () => undefined);
  const failing = new Hornet({ channels: "news", token: "one" });
  failing.on("hornet", "disconnect", () => {
    throw new Error("mine");
  });
  failing.connect();
  sockets[0]!.open();
  sockets[0]!.close("transport close");
  assert.equal(errors.mock.callCount(), 1);
  tick(1000);
  assert.equal(sockets[0]!.connects, 2);
  assert.deepEqual(heard, []);
  hornet.disconnect();
});

test("connect twice makes one socket and one presentation of the token", (t) => {
  const { hornet, heard, tick } = setUp(t);
  hornet.connect().connect();
  const socket = onlySocket();
  hornet.connect();
  socket.open();
  hornet.connect();
  socket.accept();
  hornet.connect();
  tick(60_000);
  assert.deepEqual([socket.connects, socket.sent.length, heard], [1, 1, ["connected"]]);
});

test("failed connections are retried after 1, 2, 4, 8, 16, 30 and 30 seconds", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.connect();
  const socket = onlySocket();
  let connects = 1;
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    socket.failToConnect();
    tick(wait - 1);
    assert.equal(socket.connects, connects);
    tick(1);
    assert.equal(socket.connects, (connects += 1));
  }
});

test("a successful connection makes the next wait one second again", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.connect();
  const socket = onlySocket();
  socket.failToConnect();
  tick(1000);
  socket.failToConnect();
  tick(2000);
  socket.open();
  socket.accept();
  socket.close("transport close");
  tick(1000);
  assert.equal(socket.connects, 4);
});

test("an open socket without the server's consent does not shorten the waits", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.close("io server disconnect");
  tick(1000);
  socket.open();
  socket.close("io server disconnect");
  tick(1999);
  assert.equal(socket.connects, 2);
  tick(1);
  assert.equal(socket.connects, 3);
});

for (const reason of ["transport close", "transport error", "ping timeout", "io server disconnect"]) {
  test(`after "${reason}" the page is told and the client reconnects in one second`, (t) => {
    const { hornet, heard, tick } = setUp(t);
    const socket = establish(hornet);
    socket.close(reason);
    assert.deepEqual(heard, ["connected", `disconnect:${reason}`]);
    tick(1000);
    assert.equal(socket.connects, 2);
  });
}

test("a token set in the disconnect handler is the one presented next", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.on("hornet", "disconnect", () => (hornet.token = "two"));
  const socket = establish(hornet);
  socket.close("transport close");
  tick(1000);
  socket.open();
  assert.deepEqual(socket.tokens, ["one", "two"]);
});

test("disconnect closes, tells the page, and ends all attempts", (t) => {
  const { hornet, heard, tick } = setUp(t);
  const socket = establish(hornet);
  hornet.disconnect();
  tick(100_000);
  assert.deepEqual(heard, ["connected", "disconnect:io client disconnect"]);
  assert.deepEqual([hornet.connected, socket.connects], [false, 1]);
});

test("disconnect between two attempts ends them", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.connect();
  onlySocket().failToConnect();
  hornet.disconnect();
  tick(100_000);
  assert.equal(onlySocket().connects, 1);
});

test("disconnect in the disconnect handler ends the attempts", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.on("hornet", "disconnect", () => hornet.disconnect());
  establish(hornet).close("transport close");
  tick(100_000);
  assert.equal(onlySocket().connects, 1);
});

test("connect after disconnect uses the same socket and presents the token once", (t) => {
  const { hornet, tick } = setUp(t);
  const socket = establish(hornet);
  hornet.disconnect();
  hornet.token = "two";
  hornet.connect();
  onlySocket().open();
  tick(100_000);
  assert.deepEqual([socket.connects, socket.tokens], [2, ["one", "two"]]);
});

test("a page that reconnects by hand in its disconnect handler gets one attempt, not two", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.on("hornet", "disconnect", (message) => {
    if (message.reason === "transport close") hornet.disconnect().connect();
  });
  const socket = establish(hornet);
  socket.close("transport close");
  socket.open();
  tick(100_000);
  assert.deepEqual([socket.connects, socket.sent.length], [2, 2]);
});

test("closing the socket under Hornet is a disconnect by the page", (t) => {
  const { hornet, heard, tick } = setUp(t);
  const socket = establish(hornet);
  hornet.socket!.disconnect();
  tick(100_000);
  assert.deepEqual([heard[heard.length - 1], socket.connects], ["disconnect:io client disconnect", 1]);
});

for (const code of ["INVALID_TOKEN", "WRONG_TOKEN_ASSOCIATION", "WRONG_PARAMETERS"]) {
  test(`after ${code} a string token is not presented again`, (t) => {
    const { hornet, heard, tick } = setUp(t);
    hornet.connect();
    const socket = onlySocket();
    socket.open();
    socket.refuse(code);
    socket.close("io server disconnect");
    tick(100_000);
    assert.deepEqual(heard, [`error:${code}`, "disconnect:io server disconnect"]);
    assert.deepEqual([socket.connects, socket.tokens], [1, ["one"]]);
  });
}

test("a token set in the error handler is presented on the same socket after a wait", (t) => {
  const { hornet, heard, tick } = setUp(t);
  hornet.on("hornet", "error", () => (hornet.token = "two"));
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.refuse("INVALID_TOKEN");
  tick(999);
  assert.deepEqual(socket.tokens, ["one"]);
  tick(1);
  socket.accept();
  assert.deepEqual([socket.connects, socket.tokens], [1, ["one", "two"]]);
  assert.deepEqual(heard, ["error:INVALID_TOKEN", "connected"]);
});

test("a token set long after the refusal is presented after a wait, on a new connection if need be", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.refuse("INVALID_TOKEN");
  socket.close("io server disconnect");
  tick(100_000);
  hornet.token = "two";
  tick(1000);
  socket.open();
  assert.deepEqual([socket.connects, socket.tokens], [2, ["one", "two"]]);
});

test("a token that arrives while the used one is being refused is not lost", (t) => {
  const { hornet, tick } = setUp(t);
  const socket = establish(hornet);
  socket.close("transport close");
  tick(1000);
  socket.open(); // presents "one" again
  hornet.token = "two"; // the page's own request has ended only now
  socket.refuse("INVALID_TOKEN");
  tick(2000);
  assert.deepEqual(socket.tokens, ["one", "one", "two"]);
});

test("refused tokens are retried with growing waits, however quickly the page sets new ones", (t) => {
  const { hornet, tick } = setUp(t);
  let made = 1;
  hornet.on("hornet", "error", () => (hornet.token = `token ${(made += 1)}`));
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  for (const wait of [1000, 2000, 4000]) {
    const sent = socket.sent.length;
    socket.refuse("INVALID_TOKEN");
    tick(wait - 1);
    assert.equal(socket.sent.length, sent);
    tick(1);
    assert.equal(socket.sent.length, sent + 1);
  }
});

test("connect by the page tries a refused token once more, after a wait", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.refuse("WRONG_TOKEN_ASSOCIATION");
  hornet.channels = ["news"];
  hornet.connect();
  assert.equal(socket.sent.length, 1);
  tick(1000);
  assert.deepEqual(socket.sent.slice(1), ['{"token":"one","channels":["news"]}']);
});

test("an error after the connection is raised and changes nothing", (t) => {
  const { hornet, heard, tick } = setUp(t);
  const socket = establish(hornet);
  socket.refuse("INVALID_TOKEN");
  tick(100_000);
  assert.deepEqual(heard, ["connected", "error:INVALID_TOKEN"]);
  assert.deepEqual([hornet.connected, socket.sent.length], [true, 1]);
});

test("a token that the server could not check is presented again on the same socket", (t) => {
  const { hornet, heard, tick } = setUp(t);
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.refuse("UNAVAILABLE");
  tick(1000);
  socket.refuse("UNAVAILABLE");
  tick(2000);
  socket.accept();
  assert.deepEqual([socket.connects, socket.tokens], [1, ["one", "one", "one"]]);
  assert.deepEqual(heard, ["error:UNAVAILABLE", "error:UNAVAILABLE", "connected"]);
});

test("an error of another kind before the connection leaves the token good for the next attempt", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.refuse("TRY_LATER");
  socket.close("io server disconnect");
  tick(1000);
  socket.open();
  assert.deepEqual(socket.tokens, ["one", "one"]);
});

test("a revoked token is the end", (t) => {
  const { hornet, heard, tick } = setUp(t);
  const socket = establish(hornet);
  socket.refuse("TOKEN_REVOKED");
  socket.close("io server disconnect");
  tick(100_000);
  assert.deepEqual(heard, ["connected", "error:TOKEN_REVOKED", "disconnect:io server disconnect"]);
  assert.equal(socket.connects, 1);
});

for (const type of ["error", "disconnect"] as const) {
  test(`a revoked token that the ${type} handler replaces is not the end`, (t) => {
    const { hornet, tick } = setUp(t);
    hornet.on("hornet", type, () => (hornet.token = "two"));
    const socket = establish(hornet);
    socket.refuse("TOKEN_REVOKED");
    socket.close("io server disconnect");
    tick(1000);
    socket.open();
    assert.deepEqual(socket.tokens, ["one", "two"]);
  });
}

test("a token function is asked again after a revocation", async (t) => {
  let asked = 0;
  const { hornet, tick } = setUp(t, { token: () => `token ${(asked += 1)}` });
  hornet.connect();
  await settle();
  const socket = onlySocket();
  socket.open();
  socket.accept();
  socket.refuse("TOKEN_REVOKED");
  socket.close("io server disconnect");
  tick(1000);
  await settle();
  socket.open();
  assert.deepEqual(socket.tokens, ["token 1", "token 2"]);
});

test("a token function is asked before each attempt, also one that fails", async (t) => {
  let asked = 0;
  const { hornet, tick } = setUp(t, { token: async () => `token ${(asked += 1)}` });
  hornet.connect();
  await settle();
  const socket = onlySocket();
  socket.failToConnect();
  tick(1000);
  await settle();
  socket.open();
  socket.refuse("INVALID_TOKEN");
  tick(2000);
  await settle();
  assert.deepEqual([asked, socket.connects, socket.tokens], [3, 2, ["token 2", "token 3"]]);
});

test("a token function that fails raises TOKEN_UNAVAILABLE and is asked again with growing waits", async (t) => {
  const failures = [
    () => Promise.reject(new Error("the backend is down")),
    () => {
      throw new Error("thrown, not rejected");
    },
    () => Promise.resolve(""),
    () => undefined as unknown as string,
  ];
  const waits = [1000, 2000, 4000, 8000];
  let asked = 0;
  const { hornet, heard, tick } = setUp(t, { token: () => (failures[asked++] ?? (() => "good"))() });
  const messages: string[] = [];
  hornet.on("hornet", "error", (message) => messages.push(message.errorMsg));
  hornet.connect();
  for (const wait of waits) {
    await settle();
    const before = asked;
    tick(wait - 1);
    await settle();
    assert.equal(asked, before);
    tick(1);
  }
  await settle();
  onlySocket().open();
  assert.deepEqual(onlySocket().tokens, ["good"]);
  assert.deepEqual(heard, Array(4).fill("error:TOKEN_UNAVAILABLE"));
  assert.deepEqual(messages.slice(0, 2), ["the backend is down", "thrown, not rejected"]);
});

test("an answer that comes after disconnect is not used", async (t) => {
  let answer: (token: string) => void = () => undefined;
  const { hornet, heard, tick } = setUp(t, { token: () => new Promise((resolve) => (answer = resolve)) });
  hornet.connect();
  hornet.disconnect();
  answer("late");
  await settle();
  tick(100_000);
  assert.deepEqual([sockets.length, heard], [0, []]);
});

test("a string set while the token function is asked is used at once, the answer is not", async (t) => {
  let answer: (token: string) => void = () => undefined;
  const { hornet } = setUp(t, { token: () => new Promise((resolve) => (answer = resolve)) });
  hornet.connect();
  hornet.token = "mine";
  onlySocket().open();
  answer("late");
  await settle();
  assert.deepEqual(onlySocket().tokens, ["mine"]);
});

test("a token function set while a string token connects is asked before anything is presented", async (t) => {
  const { hornet } = setUp(t);
  hornet.connect();
  hornet.token = async () => "asked";
  onlySocket().open();
  await settle();
  assert.deepEqual(onlySocket().tokens, ["asked"]);
});

test("channels that the token function changes are the ones asked for", async (t) => {
  const { hornet } = setUp(t);
  hornet.token = async () => {
    hornet.channels = ["news"];
    return "asked";
  };
  hornet.connect();
  await settle();
  onlySocket().open();
  assert.deepEqual(onlySocket().sent, ['{"token":"asked","channels":["news"]}']);
});
