import type { Socket } from "socket.io-client";

/** Why a request failed: a code of the server, or one that this client says itself. */
export type RequestErrorCode =
  | "NOT_CONNECTED"
  | "DISCONNECTED"
  | "UNSUBSCRIBED"
  | "AUTHORIZATION_UNAVAILABLE"
  | "TOKEN_UNAVAILABLE"
  | (string & {});

/** What the promises of this client reject with. `code` is stable, `message` is for people. */
export class HornetError extends Error {
  override readonly name = "HornetError";
  /** What the page's own function threw, where it was one that failed. */
  readonly cause?: unknown;

  constructor(
    readonly code: RequestErrorCode,
    message: string,
    cause?: unknown,
  ) {
    super(message);
    if (cause !== undefined) this.cause = cause;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/**
 * Events that the server answers by their acknowledgement.
 *
 * Each promise settles: with the answer, or when the connection that carried the request is gone.
 */
export class Requests {
  private readonly waiting = new Set<(error: HornetError) => void>();

  send(socket: Socket, event: string, fields: Fields): Promise<Fields> {
    return new Promise((resolve, reject) => {
      const settle = (answer: unknown) => {
        this.waiting.delete(reject);
        const { ok, error, ...rest } = (answer ?? {}) as { ok?: true; error?: { code: string; message: string } };
        if (error) reject(new HornetError(error.code, error.message));
        else resolve(rest);
      };
      this.waiting.add(reject);
      try {
        socket.emit(event, fields, settle);
      } catch (cause) {
        this.waiting.delete(reject);
        reject(new HornetError("WRONG_PARAMETERS", `this can't be sent: ${String(cause)}`, cause));
      }
    });
  }

  /** The connection is gone: it is not known whether the server did what was asked of it last. */
  lost(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const reject of waiting) reject(new HornetError("DISCONNECTED", "the connection was lost before the answer"));
  }
}
