import assert from "node:assert/strict";
import { test } from "node:test";
import { establish, setUp } from "./fake_client.js";

test("notifications reach their handlers, over reconnections, until unNotification", async (t) => {
  const { hornet, tick } = setUp(t);
  const got: unknown[] = [];
  const paid = (payload: unknown, event: string) => got.push([event, payload]);
  hornet.onNotification("order paid", paid).onNotification("*", (payload, event) => got.push(`* ${event} ${payload}`));
  const socket = establish(hornet);
  socket.receive("order paid", 7);
  socket.close("transport close");
  tick(1000);
  socket.open();
  hornet.unNotification("order paid", paid);
  socket.receive("order paid", 8);
  assert.deepEqual(got, [["order paid", 7], "* order paid 7", "* order paid 8"]);
});

test("Hornet's own events are no notifications, and messages are none", async (t) => {
  const { hornet } = setUp(t);
  const got: unknown[] = [];
  hornet.onNotification("*", (_, event) => got.push(event)).onNotification("message", () => got.push("message"));
  const socket = establish(hornet);
  for (const event of ["hermes:shutdown", "socket:closed", "user:authenticated"]) socket.receive(event, {});
  socket.say({ type: "item", channel: "news" });
  assert.deepEqual(got, []);
});
