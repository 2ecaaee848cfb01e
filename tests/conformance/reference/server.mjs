// The reference for the conformance suite: Node's socket.io, with the same small application and the
// same timings as tests/conformance/server.py. Prints its URL and runs until it is killed.
//   node server.mjs            default parser
//   node server.mjs msgpack    msgpack parser (a Node server has one parser for all its clients)
import { createServer } from "node:http";
import { Server } from "socket.io";
import msgpackParser from "socket.io-msgpack-parser";

const http = createServer();
const io = new Server(http, {
  allowEIO3: true,
  pingInterval: 300,
  pingTimeout: 200,
  connectTimeout: 300,
  upgradeTimeout: 300,
  maxHttpBufferSize: 20_000,
  cors: { origin: "http://friend.example" },
  allowRequest: (req, done) => {
    const origin = req.headers.origin;
    done(null, origin === undefined || origin === "http://friend.example");
  },
  ...(process.argv[2] === "msgpack" ? { parser: msgpackParser } : {}),
});

function serve(socket) {
  socket.on("echo", (...args) => socket.emit("echoed", ...args));
  socket.on("ask", (...args) => args.pop()(...args));
  socket.on("whoami", (answer) => answer({ id: socket.id, auth: socket.handshake.auth }));
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer();
  });
  socket.on("say", (room, ...args) => socket.nsp.to(room).emit("said", ...args));
  socket.on("publish", (room, message) => socket.nsp.to(room).emit("message", JSON.stringify(message)));
  socket.on("count", (n) => {
    for (let i = 0; i < n; i++) socket.emit("number", i);
  });
  socket.on("kick", () => socket.disconnect());
  socket.on("drop", () => socket.disconnect(true));
}

for (const name of ["/", "/custom"]) io.of(name).on("connection", serve);
io.of("/refused").use((socket, next) => next(new Error("not here")));
io.of("/refused-with-data").use((socket, next) => {
  next(Object.assign(new Error("not here"), { data: { code: 7 } }));
});

http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}`));
