/** History in memory across reloads: the store of an exporter that goes waits a while for its successor. */
import type { Board } from '../../src/rules/board.ts';
import type { SeriesStore } from '../../src/store/series_store.ts';

interface Left {
  readonly store: SeriesStore;
  /** What it was made with, as a text. */
  readonly made: string;
  readonly forgetting: NodeJS.Timeout;
}

/** A reload starts the new exporters when it has stopped the old ones. */
const WAIT_MS = 60_000;

/** By agent and the id of the exporter. */
const agents = new WeakMap<Board, Map<string, Left>>();

export function leaveStore(board: Board, id: string, store: SeriesStore, made: string): void {
  let left = agents.get(board);
  if (left === undefined) agents.set(board, (left = new Map()));
  clearTimeout(left.get(id)?.forgetting);
  const forgetting = setTimeout(() => left.delete(id), WAIT_MS).unref();
  left.set(id, { store, made, forgetting });
}

/** The store that the exporter of this id left; undefined where there is none, or it was made with other options. */
export function inheritStore(board: Board, id: string, made: string): SeriesStore | undefined {
  const left = agents.get(board)?.get(id);
  if (left === undefined) return undefined;
  clearTimeout(left.forgetting);
  agents.get(board)!.delete(id);
  return left.made === made ? left.store : undefined;
}
