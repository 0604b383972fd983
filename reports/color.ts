/** Colours written #rrggbb: mixtures, lightness, and how far two stand apart. */

/** Grey stands in for what is not written #rrggbb. */
function channelsOf(color: string): [red: number, green: number, blue: number] {
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

/** Channels from 0 to 1, in step with light (sRGB). */
function linear(color: string): [red: number, green: number, blue: number] {
  return channelsOf(color).map((c) => (c <= 10.31475 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
}

/** Relative luminance, 0 black to 1 white (WCAG 2.2). */
export function luminance(color: string): number {
  const [r, g, b] = linear(color);
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

/** How different two colours look: the distance in OKLab (Ottosson 2020); black and white are 1 apart. */
export function distance(a: string, b: string): number {
  const [x, y] = [okLab(a), okLab(b)];
  return Math.hypot(...x.map((value, i) => value - y[i]));
}

function okLab(color: string): [lightness: number, a: number, b: number] {
  const [r, g, b] = linear(color);
  const [l, m, s] = [0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b, 0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b, 0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b].map(Math.cbrt) as [number, number, number];
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}
