// Socket.IO on Bun's own engine.    bun bun.mjs PORT REDIS_PORT
import { createRequire } from "node:module";
import { serveChannel } from "./channel.mjs";

const require = createRequire(`${process.cwd()}/`);
const { Server: Engine } = require("@socket.io/bun-engine");
const { Server } = require("socket.io");
const [port, redisPort] = [Number(process.argv[2]), process.argv[3]];

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
await serveChannel(io, require("redis"), redisPort);
Bun.serve({ hostname: "127.0.0.1", port, ...engine.handler() });
