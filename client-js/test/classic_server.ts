import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";

/**
 * The classic contract over a real Socket.IO server: one-time tokens, and messages as JSON text.
 *
 * Publishing and issuing tokens are method calls here; in Hornet they go through Redis.
 */
export class ClassicServer {
  /** How many credentials were presented. */
  presented = 0;
  private readonly tokens = new Map<string, string[]>();
  private readonly http = createServer();
  private readonly io = new Server(this.http, { transports: ["polling", "websocket"] });

  /** Listens on `port`, or on a free one. */
  static async start(port = 0): Promise<ClassicServer> {
    const server = new ClassicServer();
    await new Promise<void>((resolve) => server.http.listen(port, "127.0.0.1", resolve));
    return server;
  }

  private constructor() {
    this.io.on("connection", (socket) => socket.on("message", (text) => this.admit(socket, text)));
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  get uri(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  issue(token: string, ...channels: string[]): string {
    this.tokens.set(token, channels);
    return token;
  }

  publish(channel: string, message: { type: string } & Record<string, unknown>): void {
    this.io.to(`channel ${channel}`).emit("message", JSON.stringify({ ...message, channel }));
  }

  /** Closes the sessions of a token for good, and says so first. */
  revoke(token: string): void {
    const room = `token ${token}`;
    this.io.to(room).emit("message", JSON.stringify(failure("TOKEN_REVOKED")));
    this.io.in(room).disconnectSockets(true);
  }

  /** Closes every session without giving a reason. */
  disconnectAll(): void {
    this.io.disconnectSockets();
  }

  async stop(): Promise<void> {
    await this.io.close();
  }

  private admit(socket: Socket, text: unknown): void {
    this.presented += 1;
    const answer = (message: object) => socket.emit("message", JSON.stringify(message));
    if (typeof text !== "string") return void answer(failure("WRONG_PARAMETERS"));
    const { token, channels } = JSON.parse(text) as { token?: string; channels?: string[] };
    if (!token || !Array.isArray(channels)) return void answer(failure("WRONG_PARAMETERS"));
    const granted = this.tokens.get(token);
    if (!granted) return void answer(failure("INVALID_TOKEN"));
    if (!channels.every((channel) => granted.includes(channel))) return void answer(failure("WRONG_TOKEN_ASSOCIATION"));
    this.tokens.delete(token);
    void socket.join([`token ${token}`, ...channels.map((channel) => `channel ${channel}`)]);
    answer({ type: "connected", channel: "hornet", msg: "CONNECTED" });
  }
}

function failure(error: string): object {
  return { type: "error", channel: "hornet", error, errorMsg: `${error}, says the test server` };
}
