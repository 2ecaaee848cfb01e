#!/usr/bin/env bash
# socket.io: `socket.emit("save"); socket.disconnect();` loses the event over WebSocket, and not over polling.
#
# Versions: socket.io 4.8.4 (ws 8.23.0), socket.io-client 4.8.4, Node 20, on one machine.
#
# The client sends both packets, the event first. They reach the server in one segment, so ws hands them over in one
# turn of the loop. The server calls the handler of an event in a later tick (process.nextTick), but handles the packet
# "disconnect" at once. When the tick comes, the socket is no longer connected, and the event is dropped with a debug
# message. Polling gives both packets to the server in one request, where the event has its tick first. A client that
# must be sure that its last event counts waits for an acknowledgement before it disconnects.
#
# Output seen:
#   websocket: 20 disconnected, 0 events handled
#   polling: 20 disconnected, 20 events handled
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund socket.io@4.8.4 socket.io-client@4.8.4 ws@8.23.0

cat > last_event.mjs <<'JS'
import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";

const http = createServer();
const handled = { websocket: 0, polling: 0 };
const disconnected = { websocket: 0, polling: 0 };
let gone = () => {};
new Server(http).on("connection", (socket) => {
  const transport = socket.conn.transport.name;
  socket.on("save", () => { handled[transport] += 1; });
  socket.on("disconnect", () => {
    disconnected[transport] += 1;
    setTimeout(gone, 20);
  });
});
http.listen(0, "127.0.0.1");
await once(http, "listening");
const url = `http://127.0.0.1:${http.address().port}`;
for (const transport of ["websocket", "polling"]) {
  for (let client = 0; client < 20; client += 1) {
    const socket = connect(url, { transports: [transport], forceNew: true });
    await new Promise((done) => { socket.on("connect", done); });
    await new Promise((done) => { setTimeout(done, 20); });
    const ended = new Promise((done) => { gone = done; });
    socket.emit("save", { draft: 1 });
    socket.disconnect();
    await ended;
  }
  console.log(`${transport}: ${disconnected[transport]} disconnected, ${handled[transport]} events handled`);
}
process.exit(0);
JS
node last_event.mjs > seen

diff seen - <<'SEEN'
websocket: 20 disconnected, 0 events handled
polling: 20 disconnected, 20 events handled
SEEN
echo "as described"
