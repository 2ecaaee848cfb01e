// Stock Socket.IO clients of any installed version, each named by the test, driven and reported over stdio.
import { createRequire } from "node:module";
import { say, serve } from "./lines.mjs";

const require = createRequire(import.meta.url);
const sockets = new Map();

function plain(value) {
  if (Buffer.isBuffer(value)) return { binary: value.toString("base64") };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  }
  return value;
}

// The other way: what stands for bytes in a request of the test becomes bytes.
function revived(value) {
  if (Array.isArray(value)) return value.map(revived);
  if (value && typeof value === "object") {
    if (typeof value.binary === "string") return Buffer.from(value.binary, "base64");
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revived(inner)]));
  }
  return value;
}

// Every event, whatever its name. Clients before 3.0 have no onAny: there the receiving method is wrapped.
function onEveryEvent(socket, listener) {
  if (socket.onAny) {
    socket.onAny(listener);
    return;
  }
  const receive = socket.onevent;
  socket.onevent = function (packet) {
    listener(...packet.data);
    receive.call(this, packet);
  };
}

function connect({ client, version, url, options, parser, listen }) {
  const io = require(`socket.io-client-${version}`);
  const extra = parser ? { parser: require(parser) } : {};
  const socket = io(url, { forceNew: true, ...options, ...extra });
  const manager = socket.io;
  sockets.set(client, socket);
  const report = (kind, name, args) => say({ report: kind, client, name, args: plain(args) });

  manager.on("open", () => {
    report("open", manager.engine.transport.name, []);
    manager.engine.on("upgrade", (transport) => report("upgrade", transport.name, []));
  });
  manager.on("reconnect_attempt", (attempt) => report("reconnect_attempt", "", [attempt]));
  socket.on("connect", () => report("connect", manager.engine.transport.name, [socket.id]));
  socket.on("connect_error", (error) => report("connect_error", error.message, [error.data]));
  socket.on("disconnect", (reason) => report("disconnect", reason, []));
  onEveryEvent(socket, (name, ...args) => report("event", name, args.filter((arg) => typeof arg !== "function")));
  for (const name of listen) socket.on(name, (...args) => report("heard", name, args));
}

serve({
  connect,
  emit({ client, name, args }) {
    sockets.get(client).emit(name, ...revived(args));
  },
  call({ client, name, args }) {
    return new Promise((resolve) => sockets.get(client).emit(name, ...revived(args), (...answer) => resolve(plain(answer))));
  },
  disconnect({ client }) {
    sockets.get(client).disconnect();
  },
  open({ client }) {
    sockets.get(client).connect();
  },
  // As when the network goes away: the transport ends without a word of Socket.IO.
  cut({ client }) {
    sockets.get(client).io.engine.close();
  },
  state({ client }) {
    const socket = sockets.get(client);
    return {
      id: socket.id ?? null,
      connected: socket.connected,
      active: socket.active ?? null,
      recovered: socket.recovered ?? null,
      pid: socket._pid ?? null,
      offset: socket._lastOffset ?? null,
      transport: socket.io.engine?.transport?.name ?? null,
    };
  },
});
