import { HornetError, type Fields } from "./requests.js";
import type { Pace } from "./pace.js";

/** How many subscriptions one request may carry. The server takes as many. */
const MOST = 50;

interface Waiting {
  /** Whose request it is. */
  readonly owner: object;
  readonly fields: Fields;
  /** It may share a request with others. */
  readonly isJoinable: boolean;
  resolve(answer: Fields): void;
  reject(error: HornetError): void;
}

/**
 * Requests of subscriptions, several in one event where that is possible, and no faster than the server allows.
 *
 * The server takes several in one event from an authenticated session. A subscription with a token travels alone.
 */
export class Batches {
  private waiting: Waiting[] = [];
  private isPlanned = false;
  /** Counts connections, so that a request planned for an earlier one is not sent. */
  private round = 0;

  constructor(
    private readonly send: (event: string, fields: Fields) => Promise<Fields>,
    private readonly pace: Pace,
  ) {}

  /** Requests one subscription, and returns the server's answer to it. */
  request(owner: object, fields: Fields, isJoinable: boolean): Promise<Fields> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ owner, fields, isJoinable, resolve, reject });
      this.plan();
    });
  }

  /** Takes back the request of `owner`. Returns false if it was sent already, or never made. */
  withdraw(owner: object): boolean {
    const index = this.waiting.findIndex((waiting) => waiting.owner === owner);
    if (index < 0) return false;
    for (const { reject } of this.waiting.splice(index, 1)) reject(new HornetError("UNSUBSCRIBED", "taken back"));
    return true;
  }

  /** Forgets what was not sent: the connection is gone. */
  lost(): void {
    this.round += 1;
    this.isPlanned = false;
    for (const { reject } of this.waiting.splice(0)) reject(new HornetError("DISCONNECTED", "the connection was lost"));
  }

  private plan(): void {
    if (this.isPlanned || this.waiting.length === 0) return;
    this.isPlanned = true;
    const { round } = this;
    const flush = () => {
      if (round !== this.round) return;
      this.isPlanned = false;
      this.flush();
      this.plan();
    };
    const wait = this.pace.next();
    // Even without a wait, all that the page subscribes to in the same turn goes into one request.
    if (wait > 0) setTimeout(flush, wait);
    else void Promise.resolve().then(flush);
  }

  private flush(): void {
    const [first] = this.waiting;
    if (!first) return;
    if (!first.isJoinable) {
      this.waiting.shift();
      this.send("hornet:subscribe", first.fields).then(first.resolve, first.reject);
      return;
    }
    const batch = this.waiting.filter(({ isJoinable }) => isJoinable).slice(0, MOST);
    this.waiting = this.waiting.filter((waiting) => !batch.includes(waiting));
    if (batch.length === 1) this.send("hornet:subscribe", first.fields).then(first.resolve, first.reject);
    else this.sendTogether(batch);
  }

  private sendTogether(batch: readonly Waiting[]): void {
    this.send("hornet:subscribe", { subscriptions: batch.map(({ fields }) => fields) }).then(
      (answer) => {
        const answers = answer["subscriptions"] as readonly Fields[];
        batch.forEach(({ resolve, reject }, index) => {
          const { ok, error, ...rest } = answers[index] as { ok?: true; error?: { code: string; message: string } };
          if (error) reject(new HornetError(error.code, error.message));
          else resolve(rest);
        });
      },
      (error: HornetError) => batch.forEach(({ reject }) => reject(error)),
    );
  }
}
