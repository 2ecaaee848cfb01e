/** Waits up to this one are exact. Longer waits have jitter, which spreads the attempts of many clients. */
const EXACT_UP_TO_MS = 1000;

/** The largest part of a wait that jitter takes away. Jitter never adds, so no wait is longer than the maximum. */
const JITTER = 0.2;

/** The wait before each attempt: `firstMs`, then twice as long each time, at most `maxMs`. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** Returns the wait in milliseconds before the next attempt, and counts that attempt as failed until `reset`. */
  next(): number {
    const wait = Math.min(this.maxMs, this.firstMs * 2 ** this.failures);
    this.failures += 1;
    if (wait <= EXACT_UP_TO_MS) return wait;
    return Math.max(EXACT_UP_TO_MS, wait * (1 - JITTER * this.random()));
  }

  reset(): void {
    this.failures = 0;
  }
}
