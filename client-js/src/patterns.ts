/** What a subscription to a pattern asks for: keys with values, where `"*"` stands for any value. */
export interface PatternSubscription {
  readonly pattern: Readonly<Record<string, string | number>>;
  /** Publications that have further keys match too. */
  readonly subset?: boolean | undefined;
}

/** The text that the server has for this subscription: in a publication's `pattern`, and in tokens. */
export function patternText({ pattern, subset }: PatternSubscription): string {
  const pairs = Object.keys(pattern)
    .sort(byCodePoints)
    .map((key) => `${escape(key)}:${pattern[key] === "*" ? "*" : escape(String(pattern[key]))}`);
  return (subset ? [...pairs, "*"] : pairs).join("|");
}

/** True when a publication on `topic` is one that the subscription with this text asks for. */
export function matchesTopic(text: string, topic: string): boolean {
  const wanted = text.split("|");
  const given = topic.split("|");
  const subset = wanted[wanted.length - 1] === "*";
  if (subset) wanted.pop();
  if (!subset && wanted.length !== given.length) return false;
  return wanted.every((pair) =>
    given.some((other) => (pair.endsWith(":*") ? other.startsWith(pair.slice(0, -1)) : other === pair)),
  );
}

const ESCAPES: Readonly<Record<string, string>> = { ":": "%3A", "|": "%7C", "*": "%2A", "%": "%25" };

function escape(text: string): string {
  return text.replace(/[:|*%]/g, (character) => ESCAPES[character]!);
}

/** As the server sorts. JavaScript's own order is by UTF-16 units, which is another one beyond U+FFFF. */
function byCodePoints(a: string, b: string): number {
  const [first, second] = [Array.from(a), Array.from(b)];
  for (let at = 0; at < first.length && at < second.length; at += 1) {
    const difference = first[at]!.codePointAt(0)! - second[at]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return first.length - second.length;
}
