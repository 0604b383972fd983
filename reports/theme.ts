/** What a figure is drawn on, and the colours of everything that is no series. */
import { contrast, luminance, mirrorGrey, mix } from './color.ts';

export interface Theme {
  name: string;
  /** the ground */
  paper: string;
  text: string;
  /** the caption */
  faint: string;
  grid: string;
  /** lines and ticks of the axes */
  axis: string;
}

export const themes = {
  paper: { name: 'paper', paper: '#ffffff', text: '#222222', faint: '#5a5a5a', grid: '#e4e4e4', axis: '#555555' },
  screen: { name: 'screen', paper: '#f8f7f4', text: '#2b2b2f', faint: '#605f63', grid: '#e2e0da', axis: '#6b6a6e' },
  dark: { name: 'dark', paper: '#16181d', text: '#e8e8ea', faint: '#a6a8ae', grid: '#31343b', axis: '#8b8e96' },
} as const satisfies Record<string, Theme>;
export type ThemeName = keyof typeof themes;

/** How a figure is drawn: on what, and in which font. */
export interface Style {
  theme: Theme;
  /** font families for a canvas */
  family: string;
}

/** The least contrast of a series on a dark ground. */
const VISIBLE = 4;

const isDark = ({ paper }: Theme) => luminance(paper) < 0.2;

/** The colour of a series on a theme: its own, but on a dark ground greys are exchanged and dark colours lightened until they show. */
export function colorOn(theme: Theme, color: string): string {
  if (!isDark(theme)) return color;
  const start = mirrorGrey(color);
  const shares = Array.from({ length: 11 }, (_, i) => i / 10);
  return mix(start, '#ffffff', shares.find((share) => contrast(mix(start, '#ffffff', share), theme.paper) >= VISIBLE) ?? 1);
}

/** The colour of words about a series: somewhat nearer to that of text. */
export function wordsOn(theme: Theme, color: string): string {
  return mix(colorOn(theme, color), isDark(theme) ? '#ffffff' : '#000000', 0.3);
}

/** Sizes in CSS pixels. Drawn 720 wide and printed 5.5 inches wide, 12 pixels are 6.6 points. */
export const sizes = { title: 17, text: 13, tick: 12, label: 10.5, caption: 12, line: 1.75, radius: 4.25 } as const;
