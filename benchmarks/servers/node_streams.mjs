// Socket.IO on Node with connection state recovery through Redis Streams.    node node_streams.mjs PORT REDIS_PORT
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-streams-adapter");
const { createClient } = require("redis");
const [port, redisPort] = [Number(process.argv[2]), process.argv[3]];
const BACKLOG = 4096;

const redis = createClient({ url: `redis://127.0.0.1:${redisPort}` });
await redis.connect();
const http = createServer();
const io = new Server(http, {
  adapter: createAdapter(redis),
  connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true },
});
io.on("connection", (socket) => {
  if (socket.recovered) return;
  socket.join(socket.handshake.auth.channels);
  socket.emit("message", JSON.stringify({ type: "connected" }));
});
http.listen(port, "127.0.0.1", BACKLOG);
