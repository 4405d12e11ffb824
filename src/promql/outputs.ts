/** Labels that a node makes of others: remembered by identity, the same object for equal sets, and found when two samples get one. */
import type { Labels } from '../store/queryable.ts';
import { PromqlError, type Position } from './errors.ts';
import { labelsKey } from './labels.ts';

/** Sets that are always remembered; beyond it and twice what the last fresh start needed, all are forgotten. */
const KEPT = 1024;

interface Output {
  readonly labels: Labels;
  /** The step in which it was last given out. */
  step: number;
  /** The run in which its owner was set, and the input that it came from. */
  run: number;
  owner: Labels | undefined;
}

export interface Outputs {
  /** Before each run. */
  begin(): void;
  /** Before each step at which {@link unique} is used. */
  beginStep(): void;
  of(labels: Labels): Labels;
  /** Each output once a step. @throws {PromqlError} */
  unique(labels: Labels, position: Position): Labels;
  /** Each output of one input only in a run. @throws {PromqlError} */
  ownedBy(labels: Labels, position: Position): Labels;
}

export function createOutputs(make: (labels: Labels) => Labels): Outputs {
  const byInput = new Map<Labels, Output>();
  const byKey = new Map<string, Output>();
  let run = 0;
  let step = 0;
  let needed = 0;

  const outputOf = (input: Labels): Output => {
    let output = byInput.get(input);
    if (output !== undefined) return output;
    const labels = make(input);
    const key = labelsKey(labels);
    output = byKey.get(key);
    if (output === undefined) byKey.set(key, (output = { labels, step: 0, run: 0, owner: undefined }));
    byInput.set(input, output);
    return output;
  };

  return {
    begin() {
      run++;
      if (needed === 0) needed = byInput.size;
      if (byInput.size <= Math.max(KEPT, 2 * needed)) return;
      byInput.clear();
      byKey.clear();
      needed = 0;
    },
    beginStep() {
      step++;
    },
    of: (labels) => outputOf(labels).labels,
    unique(labels, position) {
      const output = outputOf(labels);
      if (output.step === step) throw sameLabelset(position);
      output.step = step;
      return output.labels;
    },
    ownedBy(labels, position) {
      const output = outputOf(labels);
      if (output.run !== run) {
        output.run = run;
        output.owner = labels;
      } else if (output.owner !== labels) throw sameLabelset(position);
      return output.labels;
    },
  };
}

export function sameLabelset(position: Position): PromqlError {
  return new PromqlError('execution', 'vector cannot contain metrics with the same labelset', position);
}
