// The reference for the differential run: Node's socket.io, whose application does nothing but answer "ask" and
// tell what it received. Prints its URL, then one JSON value in each line, until its input ends.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((req, res) => res.writeHead(404).end());
const io = new Server(http, {
  allowEIO3: true,
  maxHttpBufferSize: 20_000,
  cors: { origin: "http://friend.example", credentials: true },
  allowRequest: (req, done) => {
    const origin = req.headers.origin;
    done(null, origin === undefined || origin === "http://friend.example");
  },
});

const plain = (key, value) =>
  value?.type === "Buffer" && Array.isArray(value.data)
    ? { bytes: Buffer.from(value.data).toString("hex") }
    : typeof value === "function"
      ? undefined
      : value;

function tell(socket, ...what) {
  console.log(JSON.stringify({ case: socket.handshake.query.case, what }, plain));
}

for (const name of ["/", "/custom"]) {
  io.of(name).on("connection", (socket) => {
    tell(socket, "joined", name, socket.handshake.auth);
    socket.onAny((...args) => tell(socket, "event", name, args.filter((arg) => typeof arg !== "function")));
    socket.on("ask", (...args) => typeof args.at(-1) === "function" && args.pop()(...args));
    socket.on("disconnect", (reason) => tell(socket, "left", name, reason));
  });
}

http.listen(0, "127.0.0.1", () => console.log(JSON.stringify(`http://127.0.0.1:${http.address().port}`)));
process.stdin.on("end", () => process.exit()).resume();
