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
  /** Items that waited in segments which could not be used. */
  readonly lost: number;
}

const BEGINNING: Position = { seq: 0, item: 0 };

export async function recover(folder: Folder, tell: Tell): Promise<Recovered> {
  const { segments, setAside } = await loadSegments(folder, tell);
  const known = await knownProgress(folder, tell);
  const first = segments[0]?.first ?? known?.low ?? BEGINNING;
  const low = known?.low ?? first;
  const progress = createProgress(low, known?.spans);
  // What lay before the first segment made room for newer data, or was set aside just now.
  const gone = progress.add({ from: low, to: first });
  // Numbers are never given twice, though the cursor may know of records that a power cut has taken.
  const last = segments.at(-1)?.end ?? first;
  const end = [progress.low, ...progress.spans.map(({ to }) => to)].reduce(later, last);
  const settled = progress.spans.reduce((sum, { from, to }) => sum + to.item - from.item, 0);
  const waiting = Math.max(0, end.item - progress.low.item - settled);
  return { segments, progress, end, waiting, lost: setAside > 0 ? gone : 0 };
}

async function knownProgress(folder: Folder, tell: Tell): Promise<CursorState | undefined> {
  try {
    return await readCursor(folder);
  } catch (error) {
    const fields = { folder: folder.path, error: messageOf(error) };
    tell('Cannot read how far the queue was delivered: it is delivered again from its beginning', fields);
    return undefined;
  }
}
