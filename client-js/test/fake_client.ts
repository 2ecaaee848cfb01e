import assert from "node:assert/strict";
import { beforeEach, mock, type TestContext } from "node:test";
import { Hornet, HornetError, type HornetOptions } from "../src/index.js";
import { sockets, type FakeSocket } from "./fake_socket.js";

export const CHANNELS = ["news", "sport"];

/** What the current test has logged with console.warn. */
export const warnings: string[] = [];

beforeEach(() => {
  sockets.length = 0;
  warnings.length = 0;
  mock.restoreAll();
  mock.method(console, "warn", (text: string) => void warnings.push(text));
  mock.method(Math, "random", () => 0); // no jitter
});

/** A client whose control messages are noted as "type" or "type:detail", under fake timers. */
export function setUp(t: TestContext, options: Partial<HornetOptions> = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const hornet = new Hornet({ uri: "http://hornet.test", channels: CHANNELS, token: "one", ...options });
  const heard: string[] = [];
  hornet.on("hornet", "connected", (message) => heard.push(message.type));
  hornet.on("hornet", "error", (message) => heard.push(`error:${message.error}`));
  hornet.on("hornet", "disconnect", (message) => heard.push(`disconnect:${message.reason}`));
  return { hornet, heard, tick: (ms: number) => t.mock.timers.tick(ms) };
}

export function onlySocket(): FakeSocket {
  assert.equal(sockets.length, 1);
  return sockets[0]!;
}

/** A client that shows nothing: signatures of its backend let it in. `asked` are the calls of its `authorize`. */
export function setUpGuest(t: TestContext, options: Partial<HornetOptions> = {}) {
  const asked: [string, string][] = [];
  const authorize = async (channel: string, id: string) => {
    asked.push([channel, id]);
    return { signature: `${channel} for ${id}` };
  };
  return { ...setUp(t, { channels: undefined, token: undefined, authorize, ...options }), asked };
}

/** Opens the socket of a guest. */
export function open(hornet: Hornet): FakeSocket {
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  return socket;
}

/** What a promise was rejected with, by its code. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => assert.fail("not rejected"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HornetError, String(error));
  return error.code;
}

/** Connects for good: socket open, credentials accepted. */
export function establish(hornet: Hornet): FakeSocket {
  hornet.connect();
  const socket = onlySocket();
  socket.open();
  socket.accept();
  return socket;
}

/** Lets the promises of the page's functions settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
