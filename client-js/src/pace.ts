/** How many requests may follow each other at once. The server allows 100 (`--max-event-rate` twice). */
const BURST = 50;

/** How many may follow each second after that. The server allows 50, and the page sends requests of its own. */
const PER_S = 25;

/** Spreads requests over time, so that the server does not refuse them as coming too fast. */
export class Pace {
  private left = BURST;
  private at = 0;

  constructor(private readonly now: () => number = Date.now) {}

  /** Counts one request, and returns after how many milliseconds it may be sent. */
  next(): number {
    const now = this.now();
    this.left = Math.min(BURST, this.left + (Math.max(0, now - this.at) * PER_S) / 1000) - 1;
    this.at = now;
    return this.left >= 0 ? 0 : Math.ceil((-this.left * 1000) / PER_S);
  }
}
