import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Hornet, type Message } from "../src/index.js";
import { CHANNELS, establish, onlySocket, setUp, warnings } from "./fake_client.js";
import { sockets } from "./fake_socket.js";

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

test("an attempt that fails in two ways is one failure", (t) => {
  const { hornet, tick } = setUp(t);
  hornet.connect();
  const socket = onlySocket();
  socket.failToConnect();
  socket.failToConnect();
  socket.close("transport error"); // the transport opened, the namespace never did
  tick(1000);
  assert.equal(socket.connects, 2);
  socket.failToConnect();
  tick(1999);
  assert.equal(socket.connects, 2);
  tick(1);
  assert.equal(socket.connects, 3);
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
