import assert from "node:assert/strict";
import { test } from "node:test";
import { Hornet } from "../src/index.js";
import { codeOf, establish, onlySocket, open, settle, setUp, setUpGuest } from "./fake_client.js";

test("a command sends its name and data, and resolves with the result", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const result = hornet.command<number>("add", { a: 1, b: 2 });
  const request = socket.take("hornet:command");
  assert.deepEqual(request.fields, { name: "add", data: { a: 1, b: 2 } });
  request.answer({ result: 3 });
  assert.equal(await result, 3);
});

test("a refusal rejects with the server's code and message", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const result = hornet.command("add");
  socket.take("hornet:command").refuse("INVALID_DATA");
  await assert.rejects(result, { name: "HornetError", code: "INVALID_DATA", message: "INVALID_DATA for a test" });
});

test("publish sends type and message, and leaves the sender out on request", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const both = [hornet.publish("chat", "hi", { text: "all" }), hornet.publish("chat", "hi", {}, { excludeSelf: true })];
  const [first, second] = [socket.take("hornet:publish"), socket.take("hornet:publish")];
  assert.deepEqual(first.fields, { channel: "chat", type: "hi", message: { text: "all" } });
  assert.deepEqual(second.fields, { channel: "chat", type: "hi", message: {}, exclude_self: true });
  second.answer({});
  first.answer({});
  assert.deepEqual(await Promise.all(both), [undefined, undefined]);
});

test("presence resolves with the members", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const members = hornet.presence("private-room");
  const request = socket.take("hornet:presence");
  assert.deepEqual(request.fields, { channel: "private-room" });
  request.answer({ channel: "private-room", members: [{ id: "ana", info: 7 }, { id: "ben" }] });
  assert.deepEqual(await members, [{ id: "ana", info: 7 }, { id: "ben" }]);
});

test("presencePage resolves with the members behind a name", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const pages = [hornet.presencePage("private-room"), hornet.presencePage("private-room", "ana")];
  const [first, second] = [socket.take("hornet:presence"), socket.take("hornet:presence")];
  assert.deepEqual(first.fields, { channel: "private-room", after: "" });
  assert.deepEqual(second.fields, { channel: "private-room", after: "ana" });
  first.answer({ members: [{ id: "ana" }], count: 2, next: "ana" });
  second.answer({ members: [{ id: "ben" }], count: 2 });
  const [one, two] = await Promise.all(pages);
  assert.deepEqual([one?.members, one?.count, one?.next], [[{ id: "ana" }], 2, "ana"]);
  assert.deepEqual([two?.members, two?.next], [[{ id: "ben" }], undefined]);
});

test("emit sends the arguments, and resolves once the server has the event", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const both = [hornet.emit("typing", { in: "chat" }, 2), hornet.emit("bell")];
  const [first, second] = [socket.take("typing"), socket.take("bell")];
  assert.deepEqual(first.args, [{ in: "chat" }, 2]);
  assert.deepEqual(second.args, []);
  first.answer({});
  second.answer({});
  assert.deepEqual(await Promise.all(both), [undefined, undefined]);
});

test("requests are refused while there is no connection that takes them", async (t) => {
  const { hornet } = setUp(t);
  const all = () => [hornet.command("add"), hornet.publish("a", "b"), hornet.presence("a"), hornet.unsubscribe("a")];
  const codes = () => Promise.all(all().map(codeOf));
  const refused = ["NOT_CONNECTED", "NOT_CONNECTED", "NOT_CONNECTED", "NOT_CONNECTED"];
  assert.deepEqual(await codes(), refused);
  hornet.connect();
  onlySocket().open();
  assert.deepEqual(await codes(), refused, "the server has not accepted the token yet");
  onlySocket().accept();
  onlySocket().close("transport close");
  assert.deepEqual(await codes(), refused);
});

test("requests reject when their connection is lost before the answer", async (t) => {
  const { hornet } = setUp(t);
  const socket = establish(hornet);
  const result = hornet.command("add");
  socket.close("transport close");
  assert.equal(await codeOf(result), "DISCONNECTED");
  socket.take("hornet:command").answer({ result: "too late" });
});

test("what can't be sent rejects", async (t) => {
  const { hornet } = setUp(t);
  establish(hornet);
  const circle: { self?: object } = {};
  circle.self = circle;
  assert.equal(await codeOf(hornet.command("add", circle)), "WRONG_PARAMETERS");
});

test("id is that of the connection, and undefined while there is none", (t) => {
  const { hornet, tick } = setUp(t);
  assert.equal(hornet.id, undefined);
  const socket = establish(hornet);
  assert.equal(hornet.id, "connection 1");
  socket.close("transport close");
  assert.equal(hornet.id, undefined);
  tick(1000);
  socket.open();
  assert.equal(hornet.id, "connection 2");
});

test("a page without token and channels shows nothing and is connected when the socket is open", (t) => {
  const { hornet, heard } = setUpGuest(t);
  const socket = open(hornet);
  assert.deepEqual(socket.sent, []);
  assert.deepEqual([hornet.connected, heard], [true, ["connected"]]);
});

test("a server that lets such a page in by other means does not make it connected twice", (t) => {
  const { hornet, heard } = setUpGuest(t);
  open(hornet).accept();
  assert.deepEqual(heard, ["connected"]);
});

test("such a page that is let in by nothing waits longer each time", (t) => {
  const { hornet, heard, tick } = setUpGuest(t);
  const socket = open(hornet);
  socket.refuse("AUTHENTICATION_TIMEOUT");
  socket.close("io server disconnect");
  assert.deepEqual(heard, ["connected", "error:AUTHENTICATION_TIMEOUT", "disconnect:io server disconnect"]);
  tick(1000);
  socket.open();
  socket.close("io server disconnect");
  tick(1999);
  assert.equal(socket.connects, 2);
  tick(1);
  assert.equal(socket.connects, 3);
});

test("such a page comes back when the server revoked what let it in", async (t) => {
  const { hornet, tick } = setUpGuest(t);
  const socket = open(hornet);
  void hornet.subscribe("private-a");
  await settle();
  socket.take("hornet:subscribe").answer({ channel: "private-a" });
  socket.refuse("TOKEN_REVOKED");
  socket.close("io server disconnect");
  tick(1000);
  assert.equal(socket.connects, 2);
});

test("a token set later is presented at the next connection", (t) => {
  const { hornet, tick } = setUpGuest(t);
  const socket = open(hornet);
  hornet.channels = ["news"];
  hornet.token = "one";
  socket.close("transport close");
  tick(1000);
  socket.open();
  assert.deepEqual(socket.sent, ['{"token":"one","channels":["news"]}']);
});

test("no token and no channel is no reason to warn", (t) => {
  const warn = t.mock.method(console, "warn");
  new Hornet({});
  assert.equal(warn.mock.callCount(), 0);
});
