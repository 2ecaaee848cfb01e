// A backend with Socket.IO's own Redis emitter: one emit per line of standard input, {rooms, except, event, args}.
// What stands as {"$date"} or {"$bytes"} becomes a Date or a Buffer. Says "done" when all is published.
import { createClient } from "@redis/client";
import { Emitter } from "@socket.io/redis-emitter";
import { createInterface } from "node:readline";

const client = await createClient({ url: process.argv[2] }).connect();
const published = [];
const emitter = new Emitter({
  publish(channel, message) {
    published.push(client.publish(channel, message));
  },
});

const revive = (key, value) => {
  if (value?.$date) return new Date(value.$date);
  if (value?.$bytes) return Buffer.from(value.$bytes, "base64");
  return value;
};

for await (const line of createInterface({ input: process.stdin })) {
  const { rooms = [], except = [], event, args } = JSON.parse(line, revive);
  emitter.to(rooms).except(except).emit(event, ...args);
}
await Promise.all(published);
await client.close();
console.log("done");
