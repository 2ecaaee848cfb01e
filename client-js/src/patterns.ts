/** A subscription to a pattern: keys with values, where `"*"` stands for any value. */
export interface PatternSubscription {
  readonly pattern: Readonly<Record<string, string | number>>;
  /** If true, publications that have further keys match too. */
  readonly subset?: boolean | undefined;
}

/** Returns the server's text for this subscription, as in a publication's `pattern` and in tokens. */
export function patternText({ pattern, subset }: PatternSubscription): string {
  const pairs = Object.keys(pattern)
    .sort(byCodePoints)
    .map((key) => `${escape(key)}:${pattern[key] === "*" ? "*" : escape(String(pattern[key]))}`);
  return (subset ? [...pairs, "*"] : pairs).join("|");
}

/** Returns true if the subscription with this text receives the publications on `topic`. */
export function matchesTopic(text: string, topic: string): boolean {
  const pairs = text.split("|");
  const topicPairs = topic.split("|");
  const subset = pairs[pairs.length - 1] === "*";
  if (subset) pairs.pop();
  if (!subset && pairs.length !== topicPairs.length) return false;
  return pairs.every((pair) =>
    topicPairs.some((other) => (pair.endsWith(":*") ? other.startsWith(pair.slice(0, -1)) : other === pair)),
  );
}

const ESCAPES: Readonly<Record<string, string>> = { ":": "%3A", "|": "%7C", "*": "%2A", "%": "%25" };

function escape(text: string): string {
  return text.replace(/[:|*%]/g, (character) => ESCAPES[character]!);
}

/** Compares as the server sorts: by code points. JavaScript's own order, by UTF-16 units, differs beyond U+FFFF. */
function byCodePoints(a: string, b: string): number {
  const [first, second] = [Array.from(a), Array.from(b)];
  for (let at = 0; at < first.length && at < second.length; at += 1) {
    const difference = first[at]!.codePointAt(0)! - second[at]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return first.length - second.length;
}
