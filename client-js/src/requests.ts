import type { Socket } from "socket.io-client";

/** Why a request failed: a code of the server, or one of this client. */
export type RequestErrorCode =
  | "NOT_CONNECTED"
  | "DISCONNECTED"
  | "UNSUBSCRIBED"
  | "AUTHORIZATION_UNAVAILABLE"
  | "TOKEN_UNAVAILABLE"
  | (string & {});

/** The error with which the promises of this client reject. `code` is stable, `message` is for people. */
export class HornetError extends Error {
  override readonly name = "HornetError";
  /** The exception of the page's own function, if that function failed. */
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
 * Events that the server answers with an acknowledgement.
 *
 * Each promise settles: it resolves with the answer, or rejects when the connection is lost before that.
 */
export class Requests {
  private readonly waiting = new Set<(error: HornetError) => void>();

  send(socket: Socket, event: string, ...args: readonly unknown[]): Promise<Fields> {
    return new Promise((resolve, reject) => {
      const settle = (answer: unknown) => {
        this.waiting.delete(reject);
        const { ok, error, ...rest } = (answer ?? {}) as { ok?: true; error?: { code: string; message: string } };
        if (error) reject(new HornetError(error.code, error.message));
        else resolve(rest);
      };
      this.waiting.add(reject);
      try {
        socket.emit(event, ...args, settle);
      } catch (cause) {
        this.waiting.delete(reject);
        reject(new HornetError("WRONG_PARAMETERS", `this can't be sent: ${String(cause)}`, cause));
      }
    });
  }

  /** Rejects all requests without an answer: the connection is gone, and the server may have carried them out or not. */
  lost(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const reject of waiting) reject(new HornetError("DISCONNECTED", "the connection was lost before the answer"));
  }
}
