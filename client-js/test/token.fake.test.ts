import assert from "node:assert/strict";
import { test } from "node:test";
import { establish, onlySocket, settle, setUp } from "./fake_client.js";
import { sockets } from "./fake_socket.js";

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
  hornet.on("hornet", "error", () => (hornet.token = `token-${(made += 1)}`));
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
  const { hornet, tick } = setUp(t, { token: () => `token-${(asked += 1)}` });
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
  assert.deepEqual(socket.tokens, ["token-1", "token-2"]);
});

test("a token function is asked before each attempt, also one that fails", async (t) => {
  let asked = 0;
  const { hornet, tick } = setUp(t, { token: async () => `token-${(asked += 1)}` });
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
  assert.deepEqual([asked, socket.connects, socket.tokens], [3, 2, ["token-2", "token-3"]]);
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
