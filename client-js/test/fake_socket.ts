// Stands in for socket.io-client in the tests of the reconnection policy: the test plays the network.

type Listener = (argument: any) => void;

export class FakeSocket {
  connected = false;
  /** Calls of connect() so far. */
  connects = 0;
  /** Everything sent, as sent. */
  readonly sent: string[] = [];
  private readonly listeners = new Map<string, Listener[]>();

  constructor(
    readonly uri: unknown,
    readonly options: unknown,
  ) {}

  on(event: string, listener: Listener): void {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
  }

  emit(event: string, text: string): void {
    if (event !== "message" || !this.connected) throw new Error(`not a message on an open socket: ${event}`);
    this.sent.push(text);
  }

  connect(): void {
    this.connects += 1;
  }

  disconnect(): void {
    if (this.connected) this.close("io client disconnect");
  }

  open(): void {
    this.connected = true;
    this.fire("connect", undefined);
  }

  /** The server accepts the credentials. */
  accept(): void {
    this.say({ type: "connected", channel: "hornet", msg: "CONNECTED" });
  }

  refuse(error: string): void {
    this.say({ type: "error", channel: "hornet", error, errorMsg: `${error} for a test` });
  }

  say(message: object): void {
    this.hear(JSON.stringify(message));
  }

  hear(raw: unknown): void {
    this.fire("message", raw);
  }

  close(reason: string): void {
    this.connected = false;
    this.fire("disconnect", reason);
  }

  failToConnect(): void {
    this.fire("connect_error", new Error("no network in this test"));
  }

  /** The tokens sent, in order. */
  get tokens(): unknown[] {
    return this.sent.map((text) => (JSON.parse(text) as { token: unknown }).token);
  }

  private fire(event: string, argument: unknown): void {
    for (const listener of this.listeners.get(event) ?? []) listener(argument);
  }
}

/** Every socket made so far. */
export const sockets: FakeSocket[] = [];

export function io(...given: unknown[]): FakeSocket {
  const options = given.pop();
  const socket = new FakeSocket(given[0], options);
  sockets.push(socket);
  return socket;
}
