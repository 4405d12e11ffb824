/**
 * Compares ways to do the same work by the CPU time they take. The machines this runs on are shared and noisy, so the
 * contestants take turns (A B A B …), and the ratio is taken turn by turn.
 */
export interface Contestant {
  readonly name: string;
  run(): unknown;
}

export interface Result {
  readonly name: string;
  /** Median CPU microseconds of one run. */
  readonly cpu_us: number;
  /** Median, turn by turn, of its CPU time divided by the last contestant's. */
  readonly ratio: number;
}

export interface MeasureOptions {
  readonly turns?: number;
  readonly runsPerTurn?: number;
  readonly warmUpTurns?: number;
}

/** The last contestant is what the others are measured against. */
export async function measure(
  contestants: readonly Contestant[],
  { turns = 15, runsPerTurn = 5, warmUpTurns = 5 }: MeasureOptions = {},
): Promise<Result[]> {
  const samples = contestants.map((): number[] => []);
  for (let turn = -warmUpTurns; turn < turns; turn++) {
    for (const [index, contestant] of contestants.entries()) {
      const before = process.cpuUsage();
      for (let run = 0; run < runsPerTurn; run++) await contestant.run();
      const { user, system } = process.cpuUsage(before);
      if (turn >= 0) samples[index].push((user + system) / runsPerTurn);
    }
  }
  const reference = samples.at(-1)!;
  return contestants.map(({ name }, index) => ({
    name,
    cpu_us: median(samples[index]),
    ratio: median(samples[index].map((sample, turn) => sample / reference[turn])),
  }));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Rows of a table in Markdown; the first row is its head. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const [head, ...body] = rows;
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

/** `points` is how many a run makes. */
export function formatResults(results: readonly Result[], points: number): string {
  return table([
    ['', 'CPU of a run', 'CPU a point', 'ratio'],
    ...results.map(({ name, cpu_us, ratio }) => [name, ms(cpu_us), us(cpu_us / points), ratio.toFixed(3)]),
  ]);
}

export const ms = (time_us: number): string => `${(time_us / 1000).toFixed(2)} ms`;
export const us = (time_us: number): string => `${time_us.toFixed(time_us < 10 ? 2 : 1)} µs`;
export const mib = (size_kib: number): string => `${(size_kib / 1024).toFixed(1)} MiB`;

/** Prints whether a ratio is at most what it should be. */
export function target(what: string, most: number, measured: number): void {
  const verdict = measured <= most ? 'reached' : '**missed**';
  console.log(`- Target: ${what}: at most ${most}; measured ${measured.toFixed(3)}: ${verdict}`);
}
