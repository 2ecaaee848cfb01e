// The conversation of both drivers with the tests: one JSON value a line. A request is {id, command, ...};
// its answer is {id, value} or {id, error}. What happens by itself is reported as {report, ...}.
import { createInterface } from "node:readline";

export function say(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

/** Serve requests until standard input ends (so no driver outlives its test), then call `close`. */
export async function serve(commands, close) {
  const running = new Set();
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, command, ...rest } = JSON.parse(line);
    const answer = Promise.resolve()
      .then(() => commands[command](rest))
      .then(
        (value) => say({ id, value: value ?? null }),
        (error) => say({ id, error: String(error?.stack ?? error) }),
      )
      .finally(() => running.delete(answer));
    running.add(answer);
  }
  await close?.();
  process.exit(0);
}
