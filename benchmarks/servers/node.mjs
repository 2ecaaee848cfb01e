// Socket.IO on Node: with the ws package, or on uWebSockets.js.    node node.mjs PORT REDIS_PORT ws|uws
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { serveChannel } from "./channel.mjs";

const require = createRequire(`${process.cwd()}/`);
const { Server } = require("socket.io");
const [port, redisPort, engine] = [Number(process.argv[2]), process.argv[3], process.argv[4]];
const BACKLOG = 4096;

const io = new Server({ cors: { origin: "*" } });
await serveChannel(io, require("redis"), redisPort);
if (engine === "uws") {
  const { App } = require("@btc-vision/uwebsockets.js");
  const app = App();
  io.attachApp(app);
  app.listen("127.0.0.1", port, (socket) => socket || process.exit(1));
} else {
  const http = createServer();
  io.attach(http);
  http.listen(port, "127.0.0.1", BACKLOG);
}
