// What each built file gives to whoever loads it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import * as esm from "hornet-client";
import { ClassicServer } from "./classic_server.js";

const require = createRequire(import.meta.url);

/** The text of a built file. */
function read(name: string): string {
  return readFileSync(require.resolve(`hornet-client/dist/${name}`), "utf8");
}

/** Runs built files one after another where a page's globals are, and returns the page. */
function page(names: string[], globals: Record<string, unknown> = {}): Record<string, any> {
  const { setTimeout, clearTimeout, queueMicrotask, URL, WebSocket, TextEncoder, TextDecoder } = globalThis;
  const browser = { console, setTimeout, clearTimeout, queueMicrotask, URL, WebSocket, TextEncoder, TextDecoder };
  const context = createContext({ ...browser, ...globals });
  runInContext("var self = globalThis, window = globalThis;", context);
  for (const name of names) load(context, name);
  return context;
}

function load(context: Record<string, any>, name: string): void {
  runInContext(read(name), context, { filename: name });
}

test("import and require give the same names", () => {
  const cjs = require("hornet-client") as typeof esm;
  assert.deepEqual(Object.keys(esm).sort(), ["Hornet", "HornetError"]);
  assert.deepEqual(Object.keys(cjs).sort(), ["Hornet", "HornetError"]);
  assert.deepEqual(new cjs.Hornet({ channel: "news" }).channels, ["news"]);
});

test("the script sets Hornet, $h and io", () => {
  const { Hornet, $h, io } = page(["hornet.js"]);
  assert.equal(typeof Hornet, "function");
  assert.equal($h, Hornet);
  assert.equal(typeof io.connect, "function");
});

test("the script leaves the page's own io in place", () => {
  const io = () => "the page's own";
  assert.equal(page(["hornet.js"], { io })["io"], io);
});

test("a page that loads socket.io.js first keeps that io", () => {
  const old = page(["socket.io.js"]);
  const { io } = old;
  assert.equal(typeof io.Manager, "function");
  load(old, "hornet.js");
  assert.equal(typeof old["Hornet"], "function");
  assert.equal(old["io"], io);
});

test("the script connects and receives", { skip: !globalThis.WebSocket && "needs Node 22" }, async (t) => {
  const server = await ClassicServer.start();
  t.after(() => server.stop());
  const { Hornet } = page(["hornet.js"]) as { Hornet: typeof esm.Hornet };
  const hornet = new Hornet({
    uri: server.uri,
    channel: "news",
    token: server.issue("one", "news"),
    io: { transports: ["websocket"] },
  });
  t.after(() => hornet.disconnect());
  const item = new Promise<esm.Message>((resolve) => hornet.on("news", "item", resolve));
  hornet.on("hornet", "connected", () => server.publish("news", { type: "item", title: "é 🐝" }));
  hornet.connect();
  assert.equal((await item)["title"], "é 🐝");
});

test("the UMD build is a global, an AMD module, or a CommonJS module", () => {
  const { Hornet, $h } = page(["hornet.umd.js"]);
  assert.equal(typeof Hornet, "function");
  assert.equal($h, Hornet);

  const defined: any[] = [];
  const define = Object.assign((...given: unknown[]) => defined.push(...given), { amd: {} });
  const amd = page(["hornet.umd.js"], { define });
  assert.equal(amd["Hornet"], undefined);
  assert.equal(typeof defined[1]().Hornet, "function");

  const module = { exports: {} as Record<string, unknown> };
  page(["hornet.umd.js"], { module });
  assert.equal(typeof module.exports["Hornet"], "function");
});

for (const name of ["hornet.js", "hornet.umd.js", "socket.io.js"]) {
  test(`${name} carries the notices of the packages in it`, () => {
    const head = read(name).slice(0, 4000);
    for (const part of ["socket.io-client", "engine.io-client", "engine.io-parser", "socket.io-parser", "component-emitter"]) {
      assert.ok(head.includes(part), part);
    }
    assert.match(head, /Permission is hereby granted/);
  });
}

test("no built file names a source map that is not shipped", () => {
  for (const name of ["hornet.js", "hornet.umd.js", "hornet.esm.js", "hornet.cjs", "socket.io.js"]) {
    assert.doesNotMatch(read(name), /sourceMappingURL/);
  }
});
