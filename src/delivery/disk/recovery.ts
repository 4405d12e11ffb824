/** What a queue's folder says about the life before: what waits, how far it was delivered, and which number comes next. */
import { messageOf } from '../../errors.ts';
import { readCursor, type CursorState } from './cursor.ts';
import type { Folder } from './folder.ts';
import type { Position } from './format.ts';
import { createProgress, later, type Progress } from './progress.ts';
import { loadSegments, type Segment, type Tell } from './segments.ts';

export interface Recovered {
  readonly segments: Segment[];
  readonly progress: Progress;
  /** Of the next record. */
  readonly end: Position;
  /** Items that wait to be delivered. */
  readonly waiting: number;
  /** Items that should wait, and of which no segment is left: it was set aside, or a power cut took it. */
  readonly lost: number;
}

const BEGINNING: Position = { seq: 0, item: 0 };
/**
 * A cursor or a segment that cannot be read now may be read by the next start, so what is numbered now has to lie behind
 * all that they can know: a number for each microsecond since 1970 does, as records do not come faster than that.
 */
const NUMBERS_PER_MS = 1000;

/** `isSynced`: what is found is to survive a power cut. */
export async function recover(folder: Folder, isSynced: boolean, now_ms: number, tell: Tell): Promise<Recovered> {
  const { segments, hasOthers } = await loadSegments(folder, isSynced, tell);
  const cursor = await knownProgress(folder, tell);
  const known = cursor === 'unreadable' ? undefined : cursor;
  const first = segments[0]?.first ?? known?.low ?? BEGINNING;
  const last = segments.at(-1)?.end ?? first;
  const low = known?.low ?? first;
  const progress = createProgress(low, known?.spans);
  // Numbers are never given twice, though the cursor may know of records that a power cut has taken. Where both end at
  // the same, the cursor knows better how many items that is: the last record may be damaged.
  let end = [progress.low, ...progress.spans.map(({ to }) => to)].reduce((latest, to) => later(to, latest), last);
  if (cursor === 'unreadable' || hasOthers) {
    const next = { seq: Math.max(end.seq, now_ms * NUMBERS_PER_MS), item: end.item };
    progress.add({ from: end, to: next });
    end = next;
  }
  const lost = progress.add({ from: low, to: first }) + progress.add({ from: last, to: end });
  const settled = progress.spans.reduce((sum, { from, to }) => sum + to.item - from.item, 0);
  const waiting = Math.max(0, end.item - progress.low.item - settled);
  return { segments, progress, end, waiting, lost };
}

async function knownProgress(folder: Folder, tell: Tell): Promise<CursorState | 'unreadable' | undefined> {
  try {
    return await readCursor(folder);
  } catch (error) {
    const fields = { folder: folder.path, error: messageOf(error) };
    tell('Cannot read how far the queue was delivered: it is delivered again from its beginning', fields);
    return 'unreadable';
  }
}
