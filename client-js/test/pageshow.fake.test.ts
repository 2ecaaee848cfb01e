// The browser keeps a page in memory after it was left, and shows it again on "back".
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { establish, onlySocket, setUp } from "./fake_client.js";

/** Gives the test a page: returns how the browser shows it again. */
function openPage(t: TestContext): { show(persisted: boolean): void; listeners: Set<Function> } {
  const listeners = new Set<Function>();
  const window = {
    addEventListener: (_: string, listener: Function) => void listeners.add(listener),
    removeEventListener: (_: string, listener: Function) => void listeners.delete(listener),
  };
  Object.assign(globalThis, { window });
  t.after(() => delete (globalThis as { window?: unknown }).window);
  return { listeners, show: (persisted) => listeners.forEach((listener) => listener({ persisted })) };
}

test("a page that is shown again from memory reconnects at once", async (t) => {
  const page = openPage(t);
  const { hornet, heard, tick } = setUp(t);
  const socket = establish(hornet);
  Object.assign(socket, { io: { engine: { close: () => socket.close("forced close") } } });
  hornet.on("hornet", "disconnect", () => (hornet.token = "two"));
  page.show(false);
  assert.equal(hornet.connected, true);
  page.show(true);
  assert.deepEqual(heard, ["connected", "disconnect:forced close"]);
  tick(0);
  socket.open();
  assert.deepEqual([socket.connects, socket.tokens], [2, ["one", "two"]]);
});

test("a page that was left while it connected begins again", async (t) => {
  const page = openPage(t);
  const { hornet, tick } = setUp(t);
  hornet.connect();
  page.show(true);
  tick(0);
  assert.equal(onlySocket().connects, 2);
});

test("disconnect ends that", async (t) => {
  const page = openPage(t);
  const { hornet } = setUp(t);
  establish(hornet);
  assert.equal(page.listeners.size, 1);
  hornet.disconnect();
  assert.equal(page.listeners.size, 0);
});
