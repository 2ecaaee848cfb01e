import { Backoff } from "./backoff.js";
import { Batches } from "./batches.js";
import {
  describe,
  keyOf,
  needsNoProof,
  newEntry,
  pastIn,
  pastOf,
  type Entry,
  type Subscribed,
  type SubscribeOptions,
} from "./entry.js";
import type { Authorize } from "./options.js";
import type { Pace } from "./pace.js";
import type { PatternSubscription } from "./patterns.js";
import type { Beginning, HornetState } from "./recovery.js";
import { HornetError, type Fields } from "./requests.js";
import { checkToken } from "./tokens.js";

/** The parts of the client that subscriptions use. */
export interface Host {
  readonly authorize: Authorize | undefined;
  /** The id of the connection; `undefined` while no connection takes requests. */
  readonly id: string | undefined;
  request(event: string, fields: Fields): Promise<Fields>;
  /** Called when a subscription was made, the first time or again. */
  subscribed(name: string, answer: Subscribed): void;
  /** Called when subscriptions were made again, and the messages of the meantime are lost. */
  missed(targets: readonly (string | PatternSubscription)[]): void;
  /** Called when a subscription could not be made again after a reconnection. */
  failed(name: string, error: HornetError, retrying: boolean): void;
}

/** How many subscriptions wait for their answers at a time. */
const AT_ONCE = 100;

/** How many of them wait for a function of the page, which often asks its backend. */
const PROVING_AT_ONCE = 8;

/** The wait after the server said that events, or those that ask for the past, come too fast. */
const PAUSE_MS = 1000;

const TOO_FAST: ReadonlySet<unknown> = new Set(["TOO_MANY_EVENTS", "RATE_LIMITED"]);

/** Refusals that may pass soon. A subscription that was held before is requested again after one of these. */
const PASSING: ReadonlySet<unknown> = new Set([
  "UNAVAILABLE",
  "NOT_AUTHENTICATED",
  "SESSION_ENDED",
  "AUTHORIZATION_UNAVAILABLE",
  "TOKEN_UNAVAILABLE",
]);

/**
 * The channels and patterns that a page has subscribed to, held over all reconnections.
 *
 * Subscriptions with a proof of their own are requested first: on a page without a token, they authenticate the
 * session.
 */
export class Subscriptions {
  private readonly entries = new Map<string, Entry>();
  private asking = 0;
  private readonly batches: Batches;
  private pause: ReturnType<typeof setTimeout> | undefined;
  /** Counts connections, so that answers for an earlier one are recognised. */
  private round = 0;
  /** The server has granted a credential on this connection. */
  private isAuthenticated = false;
  /** The subscriptions that missed messages, to be reported together. */
  private missed: (string | PatternSubscription)[] = [];

  constructor(
    private readonly host: Host,
    private readonly firstDelayMs: number,
    private readonly maxDelayMs: number,
    pace: Pace,
  ) {
    this.batches = new Batches((event, fields) => host.request(event, fields), pace);
  }

  /** Requests the subscription as soon as there is a connection, and after each reconnection. */
  add(target: string | PatternSubscription, options: SubscribeOptions): Promise<Subscribed> {
    const key = keyOf(target);
    let entry = this.entries.get(key);
    if (!entry) {
      entry = this.create(target, options);
    } else if (entry.state !== "asking") {
      if (options.token !== entry.options.token) entry.tokenSpent = false;
      clearTimeout(entry.timer);
      entry.timer = undefined;
      entry.options = { ...entry.options, ...options };
      entry.state = "queued";
    }
    if (entry.state === "queued" || !entry.sent) entry.past = pastIn(options) ?? entry.past;
    if (entry.isRestored && this.authorizeFor(target, entry.options)) entry.isMember = true;
    const { waiters } = entry;
    const answer = new Promise<Subscribed>((resolve, reject) => waiters.push({ resolve, reject }));
    this.pump();
    return answer;
  }

  /** Takes over the subscriptions of the session to come back to, which another page had. */
  restore({ session, position, subscriptions }: HornetState): void {
    if (session === undefined || position === undefined) return;
    for (const target of subscriptions) {
      Object.assign(this.create(target, {}), { confirmed: true, isRestored: true, since: position });
    }
  }

  /** Returns the channels and patterns that the server has held. */
  targets(): (string | PatternSubscription)[] {
    return [...this.entries.values()].filter(({ confirmed }) => confirmed).map(({ target }) => target);
  }

  /**
   * Forgets the subscription, and returns its state on the server: held, maybe held (`sent`), not requested (`unsent`), or
   * `unknown` when the page has no such subscription.
   */
  remove(target: string | PatternSubscription): "held" | "sent" | "unsent" | "unknown" {
    const entry = this.entries.get(keyOf(target));
    if (!entry) return "unknown";
    this.drop(entry);
    this.settle(entry, new HornetError("UNSUBSCRIBED", "unsubscribed before the subscription was made"));
    if (entry.held) return "held";
    if (this.batches.withdraw(entry)) return "unsent";
    return entry.sent ? "sent" : "unsent";
  }

  /** Begins to send requests on a new connection. To a `guest`, the server has granted nothing yet. */
  opened(beginning: Beginning | "guest"): void {
    this.isAuthenticated = beginning !== "guest";
    if (beginning !== "resumed") for (const entry of this.entries.values()) entry.isRestored = false;
    this.pump();
  }

  /**
   * Queues all subscriptions again: the connection is gone, and they are requested on the next one.
   *
   * `position` is how far the client has heard, if the session can be taken back.
   */
  lost(position: string | undefined): void {
    this.round += 1;
    this.batches.lost();
    this.asking = 0;
    this.isAuthenticated = false;
    clearTimeout(this.pause);
    this.pause = undefined;
    for (const entry of this.entries.values()) {
      clearTimeout(entry.timer);
      entry.timer = undefined;
      entry.state = "queued";
      if (entry.held) {
        entry.isRestored = position !== undefined;
        entry.since = position;
      }
      entry.sent = entry.held = entry.isProving = false;
    }
  }

  /** Gives up subscriptions that were never made: the page closed the connection. Others wait for the next `connect()`. */
  stopped(): void {
    for (const entry of this.entries.values()) {
      if (!entry.confirmed) this.drop(entry);
      this.settle(entry, new HornetError("DISCONNECTED", "the page closed the connection"));
    }
  }

  private create(target: string | PatternSubscription, options: SubscribeOptions): Entry {
    const entry = newEntry(target, options, new Backoff(this.firstDelayMs, this.maxDelayMs));
    this.entries.set(keyOf(target), entry);
    return entry;
  }

  private pump(): void {
    while (this.host.id !== undefined && this.pause === undefined && this.asking < AT_ONCE) {
      const next = this.next();
      if (!next) return;
      void this.ask(next);
    }
  }

  private next(): Entry | undefined {
    const entries = [...this.entries.values()].filter((entry) => entry.timer === undefined);
    const queued = entries.filter((entry) => entry.state === "queued");
    const mayProve = entries.filter((entry) => entry.isProving).length < PROVING_AT_ONCE;
    const proving = mayProve ? queued.find((entry) => this.hasProof(entry)) : undefined;
    if (proving) return proving;
    const plain = queued.find((entry) => !this.hasProof(entry));
    if (this.isAuthenticated) return plain;
    const isBeingLetIn = entries.some((entry) => entry.state !== "held" && this.hasProof(entry));
    return isBeingLetIn ? undefined : plain;
  }

  /** Returns true if the subscription has a token or a signature, which authenticates a new session. */
  private hasProof(entry: Entry): boolean {
    const { target, options, tokenSpent } = entry;
    if (needsNoProof(entry)) return false;
    return (options.token !== undefined && !tokenSpent) || this.authorizeFor(target, options) !== undefined;
  }

  private authorizeFor(target: string | PatternSubscription, options: SubscribeOptions): Authorize | undefined {
    const isPrivate = typeof target === "string" && /^private-/i.test(target);
    return isPrivate ? options.authorize ?? this.host.authorize : undefined;
  }

  private async ask(entry: Entry): Promise<void> {
    const { round } = this;
    const isStale = () => round !== this.round || this.entries.get(keyOf(entry.target)) !== entry;
    entry.state = "asking";
    this.asking += 1;
    try {
      entry.isProving = this.hasProof(entry);
      const proof = await this.prove(entry);
      if (isStale()) return;
      if (entry.isProving) {
        entry.isProving = false;
        this.pump();
      }
      entry.sent = true;
      const isJoinable = this.isAuthenticated && !("token" in proof);
      const fields = { ...describe(entry.target), ...proof, ...pastOf(entry) };
      const answer = await this.batches.request(entry, fields, isJoinable);
      if (!isStale()) this.taken(entry, answer as Subscribed, "token" in proof);
    } catch (error) {
      if (!isStale()) this.refused(entry, error as HornetError);
    } finally {
      if (round === this.round) {
        this.asking -= 1;
        this.pump();
      }
    }
  }

  /** Returns the proof that the request needs: a token, a signature, or nothing. */
  private async prove(entry: Entry): Promise<Fields> {
    const { target, options } = entry;
    if (needsNoProof(entry)) return {};
    if (options.token !== undefined && !entry.tokenSpent) {
      const token = await call("TOKEN_UNAVAILABLE", async () =>
        checkToken(typeof options.token === "function" ? await options.token() : options.token),
      );
      return { token };
    }
    const authorize = this.authorizeFor(target, options);
    const { id } = this.host;
    if (!authorize || id === undefined) return {};
    const proof = await call("AUTHORIZATION_UNAVAILABLE", async () => authorize(target as string, id));
    const { signature, presence } = proof ?? {};
    if (typeof signature !== "string" || (presence !== undefined && presence !== null && typeof presence !== "string")) {
      throw new HornetError("AUTHORIZATION_UNAVAILABLE", "authorize gave no signature, or presence that is no text");
    }
    return typeof presence === "string" ? { signature, presence } : { signature };
  }

  private taken(entry: Entry, answer: Subscribed, tokenUsed: boolean): void {
    const isMissed = entry.since !== undefined && !entry.isRestored && answer.recovered !== true;
    entry.state = "held";
    entry.held = entry.confirmed = true;
    entry.isRestored = false;
    entry.isMember ||= answer.members !== undefined;
    entry.since = entry.past = undefined;
    entry.tokenSpent ||= tokenUsed && typeof entry.options.token === "string";
    entry.backoff.reset();
    this.isAuthenticated = true;
    this.settle(entry, answer);
    if (isMissed) this.reportMissed(entry.target);
    this.host.subscribed(entry.name, answer);
  }

  /** Reports all that were missed in one turn together: the page may load its data again. */
  private reportMissed(target: string | PatternSubscription): void {
    this.missed.push(target);
    if (this.missed.length === 1) void Promise.resolve().then(() => this.host.missed(this.missed.splice(0)));
  }

  private refused(entry: Entry, error: HornetError): void {
    entry.sent = entry.held;
    entry.isProving = false;
    entry.state = "queued";
    if (TOO_FAST.has(error.code)) {
      this.pause ??= setTimeout(() => this.resume(), PAUSE_MS);
      return;
    }
    if (entry.isRestored && !PASSING.has(error.code)) {
      entry.isRestored = false; // the session did not have it after all: the next request has the proof
      return;
    }
    const isAwaited = entry.waiters.length > 0;
    const retrying = !entry.held && entry.confirmed && PASSING.has(error.code);
    if (entry.held) entry.state = "held";
    else if (retrying) entry.timer = setTimeout(() => this.again(entry), entry.backoff.next());
    else this.drop(entry);
    this.settle(entry, error);
    if (!isAwaited) this.host.failed(entry.name, error, retrying);
  }

  private again(entry: Entry): void {
    entry.timer = undefined;
    this.pump();
  }

  private resume(): void {
    this.pause = undefined;
    this.pump();
  }

  private drop(entry: Entry): void {
    clearTimeout(entry.timer);
    this.entries.delete(keyOf(entry.target));
  }

  private settle(entry: Entry, outcome: Subscribed | HornetError): void {
    for (const { resolve, reject } of entry.waiters.splice(0)) {
      if (outcome instanceof HornetError) reject(outcome);
      else resolve(outcome);
    }
  }
}

/** Calls a function of the page. Its exception becomes a `HornetError` with this code. */
async function call<T>(code: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw new HornetError(code, cause instanceof Error ? cause.message : String(cause), cause);
  }
}
