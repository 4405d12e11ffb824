/** How far intervals are stretched, seen by who collects. */
export interface Brake {
  /** 1, 2, 4, 10 or, as a reserve, 20: of so many ticks of a receiver's interval one is a collection. */
  factorOf(receiver: string): number;
}

export const NO_BRAKE: Brake = { factorOf: () => 1 };
