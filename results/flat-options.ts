/** Model options side by side: those of a pattern's mixers as "mamba2.dState". */
export function flatOptions(options: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([key, value]: [string, unknown]) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(flatOptions(value)).map(([inner, v]) => [`${key}.${inner}`, v]) : [[key, value]])),
  );
}
