/** Colours written #rrggbb: mixtures, lightness, and how far two stand apart. */

/** Grey stands in for what is not written #rrggbb. */
export function channelsOf(color: string): [red: number, green: number, blue: number] {
  const hex = /^#[0-9a-f]{6}$/i.test(color) ? color : '#555555';
  return [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)) as [number, number, number];
}

function written(channels: readonly number[]): string {
  return `#${channels.map((c) => Math.round(c).toString(16).padStart(2, '0')).join('')}`;
}

/** A colour with a share of another in it. */
export function mix(color: string, other: string, share: number): string {
  const b = channelsOf(other);
  return written(channelsOf(color).map((a, i) => a * (1 - share) + b[i] * share));
}

/** Relative luminance, 0 black to 1 white (WCAG 2.2). */
export function luminance(color: string): number {
  const [r, g, b] = channelsOf(color).map((c) => (c <= 10.31475 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The contrast of two colours, 1 to 21 (WCAG 2.2); lines and markers need 3. */
export function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** Greys exchanged, black for white; colours as they are. */
export function mirrorGrey(color: string): string {
  const channels = channelsOf(color);
  return Math.max(...channels) - Math.min(...channels) > 24 ? color : written(channels.map((c) => 255 - c));
}
