// The common part of the JavaScript peers: clients join the channels that they name; messages come from Redis.
const TOPIC = "hornet:channel:";

export async function serveChannel(io, redis, redisPort) {
  io.on("connection", (socket) => {
    socket.on("message", (text) => {
      socket.join(JSON.parse(text).channels);
      socket.emit("message", "CONNECTED");
    });
  });
  const subscriber = redis.createClient({ url: `redis://127.0.0.1:${redisPort}` });
  await subscriber.connect();
  await subscriber.subscribe(`${TOPIC}bench`, (message, topic) => {
    io.to(topic.slice(TOPIC.length)).emit("message", JSON.parse(message));
  });
}
