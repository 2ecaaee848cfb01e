/** How much of a text that is no token is quoted. */
const QUOTED_CHARS = 40;

/**
 * Returns a token that the page gave or fetched, without white space around it: a file or a template often ends in a line
 * break.
 *
 * Throws `TypeError` for anything that is no token. The usual mistake is the text of an error page.
 */
export function checkToken(token: unknown): string {
  const text = typeof token === "string" ? token.trim() : "";
  if (text === "") throw new TypeError(`${describe(token)} is no token`);
  if (/[\s<]/.test(text)) {
    throw new TypeError(`${quote(text)} is no token; does the page check the status of the answer?`);
  }
  return text;
}

/**
 * Checks the option `token`, which may also be absent. Throws `TypeError` for anything but text and functions.
 *
 * The usual mistake is a promise: `fetchToken()` instead of `fetchToken`.
 */
export function checkTokenOption(token: unknown): void {
  if (token === undefined || token === null || typeof token === "string" || typeof token === "function") return;
  const hint = typeof (token as { then?: unknown }).then === "function" ? "; write () => ... around the call" : "";
  throw new TypeError(`Hornet: token is text or a function that returns it, not ${describe(token)}${hint}`);
}

function describe(value: unknown): string {
  if (typeof value === "string") return "an empty text";
  return value === null || value === undefined ? String(value) : `a value of type ${typeof value}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > QUOTED_CHARS ? `${text.slice(0, QUOTED_CHARS)}…` : text);
}
