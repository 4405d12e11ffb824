/** Which sockets' processes are still to be found. */
import type { Owners } from './owners.ts';
import { IS_CONNECTION, NOBODY, type SocketTable, UNRESOLVED } from './socket_table.ts';

/** A process is not looked for again after two searches that looked everywhere, or ten that had to stop. */
const MOST_TRIES = 10;
const TRIES_OF_A_WHOLE_SEARCH = 5;

export class Resolution {
  readonly #table: SocketTable;
  readonly #rows = new Set<number>();

  constructor(table: SocketTable) {
    this.#table = table;
  }

  /** The socket has an inode that is not known to be anyone's. */
  add(row: number): void {
    this.#table.owner[row] = UNRESOLVED;
    this.#table.tries[row] = 0;
    this.#rows.add(row);
  }

  delete(row: number): void {
    this.#rows.delete(row);
  }

  /** Looks for the processes of all that wait and are some process's. */
  async search(owners: Owners | undefined): Promise<void> {
    if (owners === undefined) return this.#rows.clear();
    const table = this.#table;
    const rows = new Map<number, number>();
    for (const row of this.#rows) {
      // Without an inode it waits to be accepted, or has been let go.
      if (table.inode[row] !== 0) rows.set(table.inode[row], row);
    }
    if (rows.size === 0) return undefined;
    const isWhole = await owners.search(new Set(rows.keys()), (inode, owner) => {
      const row = rows.get(inode)!;
      table.owner[row] = owner.number;
      owner.sockets++;
      if ((table.flags[row] & IS_CONNECTION) !== 0) owner.connections++;
      this.#rows.delete(row);
    });
    for (const row of rows.values()) {
      if (table.owner[row] !== UNRESOLVED) continue;
      table.tries[row] += isWhole ? TRIES_OF_A_WHOLE_SEARCH : 1;
      if (table.tries[row] < MOST_TRIES) continue;
      table.owner[row] = NOBODY;
      this.#rows.delete(row);
    }
    return undefined;
  }
}
