/** Names between commas, where a name may hold commas itself. */

/** The names in a text: at every place the longest known one that fits, and up to the next comma what fits none. */
export function namesIn(text: string, known: readonly string[]): string[] {
  const found: string[] = [];
  const longestFirst = known.toSorted((a, b) => b.length - a.length);
  for (let rest = text.trim(); rest !== ''; ) {
    const name = longestFirst.find((k) => rest === k || rest.startsWith(`${k},`)) ?? rest.split(',')[0];
    found.push(name.trim());
    rest = rest.slice(name.length + 1).trim();
  }
  return found;
}
