import { CONTROL_CHANNEL, type Message } from "./messages.js";
import type { PatternSubscription } from "./patterns.js";

/** What a client needs to come back to its session, also on a page that was loaded again. It is JSON. */
export interface HornetState {
  /** A secret that stands for the token. Without it there is nothing to come back to. */
  readonly session?: string;
  /** How far the client has heard. */
  readonly position?: string;
  /** The channels that the token opened. */
  readonly channels: readonly string[];
  /** What the page had subscribed to besides. */
  readonly subscriptions: readonly (string | PatternSubscription)[];
}

/** How a connection began: in the session of before, or in a new one. */
export type Beginning = "resumed" | "new";

/** The field with the position of a message that has a field `position` of the backend's. */
const OTHER_FIELD = "hornet:position";

/**
 * The session to come back to after a loss, and how far the client has heard.
 *
 * A server that recovers sessions gives both with `connected`, and a position with each message. The next connection
 * shows them in place of credentials. If the server takes the session back, it says `connected`. Otherwise it waits for
 * credentials.
 */
export class Recovery {
  /** The session was shown, and the server has not answered yet. */
  isPending = false;
  private session: string | undefined;
  private position: string | undefined;
  /** What the token opened that let this client in, and the one before. */
  private channels: readonly string[] = [];
  /** The server has told a gap: so it takes the session back, although messages are missing. */
  private hasGap = false;
  /** A session was lost, and the client did not come back to it. */
  private isGone = false;

  constructor(
    private readonly isWanted: boolean,
    state: HornetState | null | undefined,
  ) {
    if (!isWanted || typeof state?.session !== "string" || typeof state.position !== "string") return;
    ({ session: this.session, position: this.position } = state);
    this.channels = state.channels;
  }

  /** Returns true if there is a session to come back to, and it has the channels that the page wants. */
  isPossible(channels: readonly string[]): boolean {
    const [held, wanted] = [new Set(this.channels), new Set(channels)];
    return this.session !== undefined && held.size === wanted.size && channels.every((name) => held.has(name));
  }

  /** Returns the payload of a connection: the page's own, and the session to come back to. */
  payload(own: object, channels: readonly string[]): object {
    const { session, position } = this;
    this.isPending = this.isPossible(channels);
    this.hasGap = false;
    return { ...own, positions: true, ...(this.isPending ? { resume: { session, position } } : {}) };
  }

  /** Notes how far the client has heard. */
  hear(message: Message): void {
    if (message.channel === CONTROL_CHANNEL && message.type === "gap") this.hasGap = true;
    if (this.session === undefined) return; // then a field `position` is the backend's own
    const position = message[OTHER_FIELD] ?? message["position"];
    if (typeof position === "string") this.position = position;
  }

  /**
   * Notes the session of a connection that the server has let in.
   *
   * Returns how the connection begins, and the channels that the client had before, if it lost the session of then.
   */
  begin(message: Message, channels: readonly string[]): { beginning: Beginning; missed?: readonly string[] } {
    // The page's own payload may have let it in as a new session.
    const isResumed = this.isPending && (message["recovered"] !== false || this.hasGap);
    const isReplaced = !isResumed && (this.session !== undefined || this.isGone);
    const missed = channels.filter((name) => this.channels.includes(name));
    this.isPending = this.isGone = false;
    if (!isResumed) {
      this.session = this.position = undefined;
      this.channels = [...channels];
    }
    this.update(message);
    return { beginning: isResumed ? "resumed" : "new", ...(isReplaced ? { missed } : {}) };
  }

  /** Notes what a `connected` says about the session. */
  update({ session, position }: Message): void {
    if (!this.isWanted) return;
    if (typeof session === "string") this.session = session;
    if (this.session !== undefined && typeof position === "string") this.position = position;
  }

  /** Notes that the server did not take the session back. */
  refused(): void {
    this.forget();
    this.isGone = true;
  }

  /** Notes that the connection is gone. Returns how far the client has heard, if the server told that. */
  lost(): string | undefined {
    this.isPending = false;
    return this.session === undefined ? undefined : this.position;
  }

  /** Forgets the session: the page or the server has ended it. */
  forget(): void {
    this.isPending = this.isGone = false;
    this.session = this.position = undefined;
  }

  state(channels: readonly string[], subscriptions: readonly (string | PatternSubscription)[]): HornetState {
    const { session, position } = this;
    if (session === undefined || position === undefined) return { channels: [...channels], subscriptions };
    return { session, position, channels: this.channels, subscriptions };
  }
}
