/** How well alarms agree with labels: by event, with a tolerance, and by sample. */
import { SAMPLES, TRAINED, type Injected, type LabelledSeries } from './anomaly_series.ts';

/** An alarm may be raised, or go on, so many samples after what it is for is over. */
export const TOLERANCE = 15;
/** So long an alarm for a planned change is neither right nor wrong; then it must have ended. */
export const GRACE = 150;
/** Alarms that are so near to each other are one. */
const JOINED = 5;

export interface Scores {
  /** Alarms that are for an anomaly, and those that are for none. */
  right: number;
  wrong: number;
  found: number;
  missed: number;
  readonly byKind: Map<Injected, { found: number; missed: number }>;
  points: { right: number; wrong: number; missed: number };
  seriesDays: number;
}

export function createScores(): Scores {
  return {
    right: 0,
    wrong: 0,
    found: 0,
    missed: 0,
    byKind: new Map(),
    points: { right: 0, wrong: 0, missed: 0 },
    seriesDays: 0,
  };
}

export const precision = ({ right, wrong }: Scores): number => right / Math.max(1, right + wrong);
export const recall = ({ found, missed }: Scores): number => found / Math.max(1, found + missed);
export function f1(scores: Scores): number {
  const [p, r] = [precision(scores), recall(scores)];
  return p + r === 0 ? 0 : (2 * p * r) / (p + r);
}

/** Adds what `alarms` (1 where one is on, by row) are worth for a series. */
export function addScores(scores: Scores, { labels, planned, values }: LabelledSeries, alarms: Uint8Array): void {
  const graceTo = planned === undefined ? -1 : planned + GRACE;
  const events = eventsOf(alarms);
  for (const { from, to } of events) {
    const isRight = labels.some((label) => from <= label.to + TOLERANCE && to >= label.from);
    const isExcused = planned !== undefined && from >= planned && to <= graceTo;
    if (isRight) scores.right++;
    else if (!isExcused) scores.wrong++;
  }
  for (const label of labels) {
    const isFound = events.some(({ from, to }) => from <= label.to + TOLERANCE && to >= label.from);
    const kind = scores.byKind.get(label.kind) ?? { found: 0, missed: 0 };
    if (isFound) kind.found++;
    else kind.missed++;
    scores.byKind.set(label.kind, kind);
    if (isFound) scores.found++;
    else scores.missed++;
  }
  for (let row = TRAINED; row < SAMPLES; row++) {
    if (Number.isNaN(values[row]!) || (planned !== undefined && row >= planned && row <= graceTo)) continue;
    const isLabelled = labels.some(({ from, to }) => row >= from && row <= to);
    if (alarms[row] === 1 && isLabelled) scores.points.right++;
    else if (alarms[row] === 1) scores.points.wrong++;
    else if (isLabelled) scores.points.missed++;
  }
  scores.seriesDays += (SAMPLES - TRAINED) / 1440;
}

export function eventsOf(alarms: Uint8Array, start = TRAINED): { from: number; to: number }[] {
  const events: { from: number; to: number }[] = [];
  for (let row = start; row < alarms.length; row++) {
    if (alarms[row] !== 1) continue;
    const last = events.at(-1);
    if (last !== undefined && row - last.to <= JOINED) last.to = row;
    else events.push({ from: row, to: row });
  }
  return events;
}
