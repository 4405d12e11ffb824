/**
 * A reload makes the processor anew and starts it while the old one still works; should the reload fail, the old one goes on.
 * So there is a seat for each processor of each pipeline, and who sits on it evaluates.
 */
import type { Board } from '../../src/rules/board.ts';

/** What one leaves to the other. */
export interface Sitter<Legacy> {
  /** Evaluates no more, and hands over what it knows. */
  rise(): Promise<Legacy>;
  /** Goes on, for its successor did not stay. */
  resume(): void;
}

export interface Seats<Legacy> {
  /** @returns what the one before knew, if there was one */
  sit(board: Board, name: string, sitter: Sitter<Legacy>): Promise<Legacy | undefined>;
  /**
   * Is done; whoever had to rise for it goes on.
   * @returns whether it sat there, and nobody does now
   */
  leave(board: Board, name: string, sitter: Sitter<Legacy>): boolean;
}

export function createSeats<Legacy>(): Seats<Legacy> {
  /** By agent and name: all who have not left, the latest last. */
  const agents = new WeakMap<Board, Map<string, Sitter<Legacy>[]>>();
  return {
    async sit(board, name, sitter) {
      let seats = agents.get(board);
      if (seats === undefined) agents.set(board, (seats = new Map()));
      const sitters = seats.get(name) ?? [];
      seats.set(name, sitters);
      const before = sitters.at(-1);
      sitters.push(sitter);
      return before?.rise();
    },
    leave(board, name, sitter) {
      const seats = agents.get(board);
      const sitters = seats?.get(name);
      if (sitters === undefined || !sitters.includes(sitter)) return false;
      const isSitting = sitters.at(-1) === sitter;
      sitters.splice(sitters.indexOf(sitter), 1);
      if (sitters.length === 0) seats!.delete(name);
      else if (isSitting) sitters.at(-1)!.resume();
      return sitters.length === 0;
    },
  };
}
