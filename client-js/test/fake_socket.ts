// Stands in for socket.io-client in the tests of the reconnection policy: the test plays the network.

type Listener = (argument: any) => void;

/** A request that the client sent and that the test, as the server, may answer. */
export interface FakeRequest {
  readonly event: string;
  /** The first argument. */
  readonly fields: Record<string, unknown>;
  readonly args: readonly unknown[];
  answer(answer: object): void;
  refuse(code: string): void;
}

export class FakeSocket {
  connected = false;
  /** Another one for each connection. */
  id: string | undefined;
  /** Requests that wait for the test to take them. */
  readonly requests: FakeRequest[] = [];
  /** Calls of connect() so far. */
  connects = 0;
  /** Everything sent, as sent. */
  readonly sent: string[] = [];
  /** What was shown with each connection. */
  readonly payloads: Record<string, unknown>[] = [];
  private opened = 0;
  private readonly anyListeners: ((event: string, argument: any) => void)[] = [];
  private readonly listeners = new Map<string, Listener[]>();

  constructor(
    readonly uri: unknown,
    readonly options: any,
  ) {}

  onAny(listener: (event: string, argument: any) => void): void {
    this.anyListeners.push(listener);
  }

  on(event: string, listener: Listener): void {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
  }

  emit(event: string, ...given: any[]): void {
    if (!this.connected) throw new Error(`sent on a socket that is not open: ${event}`);
    if (event === "message") return void this.sent.push(given[0]);
    const answer = given.pop() as (answer: object) => void;
    const args = JSON.parse(JSON.stringify(given));
    this.requests.push({
      event,
      fields: args[0],
      args,
      answer: (fields) => answer({ ok: true, ...fields }),
      refuse: (code) => answer({ error: { code, message: `${code} for a test` } }),
    });
  }

  /** The oldest request that was not taken yet. */
  take(event: string): FakeRequest {
    const request = this.requests.shift();
    if (request?.event !== event) throw new Error(`expected ${event}, but the client sent ${request?.event}`);
    return request;
  }

  connect(): void {
    this.connects += 1;
  }

  disconnect(): void {
    if (this.connected) this.close("io client disconnect");
  }

  open(): void {
    const { auth } = this.options;
    if (typeof auth === "function") auth((payload: Record<string, unknown>) => this.payloads.push(payload));
    this.connected = true;
    this.id = `connection ${(this.opened += 1)}`;
    this.fire("connect", undefined);
  }

  /** The server accepts the credentials. */
  accept(): void {
    this.say({ type: "connected", channel: "hornet", msg: "CONNECTED" });
  }

  /** The server accepts the credentials, or takes the session back, and can recover it. */
  begin(session: string, position: string, recovered = false): void {
    this.say({ type: "connected", channel: "hornet", msg: "CONNECTED", session, position, recovered });
  }

  refuse(error: string): void {
    this.say({ type: "error", channel: "hornet", error, errorMsg: `${error} for a test` });
  }

  say(message: object): void {
    this.hear(JSON.stringify(message));
  }

  hear(raw: unknown): void {
    this.receive("message", raw);
  }

  /** The server sends an event. */
  receive(event: string, argument: unknown): void {
    for (const listener of this.anyListeners) listener(event, argument);
    this.fire(event, argument);
  }

  close(reason: string): void {
    this.connected = false;
    this.id = undefined;
    this.fire("disconnect", reason);
  }

  failToConnect(reason = "no network in this test"): void {
    this.fire("connect_error", new Error(reason));
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
