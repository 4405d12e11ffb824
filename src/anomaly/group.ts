/**
 * Whether series that belong together behave together as they usually do. Their innovations (what none of them could know of
 * itself) are one vector for each sample; how they hang together is sketched by a few directions, learnt as the samples come
 * (CCIPCA: Weng, Zhang and Hwang, 2003). The distance of a vector from what is usual (Mahalanobis' with that sketch) is a
 * series of its own, judged as any other: so it takes its own past for what is normal, however its members hang together.
 */
import { SeriesModel } from './model.ts';
import type { ModelOptions, Outcome } from './state.ts';

/** Directions. */
export const RANK = 3;
/** More members than that are not looked at together. */
const MOST_MEMBERS = 512;
/** Fewer say no more than each of them. */
const LEAST_MEMBERS = 3;
const GAIN = 1 / 400;
/** Of a direction's variance, and of what no direction explains. */
const LEAST_VARIANCE = 0.05;

export interface Member {
  readonly model: SeriesModel;
  /** Its part of each direction. An array of so few takes half the memory of a typed one. */
  readonly loadings: number[];
}

export interface GroupOutcome {
  readonly outcome: Outcome;
  /** The member that has the largest part in the distance. */
  readonly driver: Member;
}

export class GroupModel<M extends Member = Member> {
  readonly members = new Set<M>();
  readonly model: SeriesModel;
  /** How much of each direction there was, and mean square of what none explains. */
  readonly variances: Float64Array;
  #lastTime_s = -Infinity;
  readonly #interval_s: number;

  constructor(options: ModelOptions, kept?: { readonly model: Uint8Array; readonly variances: Float64Array }) {
    this.model = new SeriesModel(options, kept?.model);
    this.variances = new Float64Array(RANK + 2);
    if (kept !== undefined) this.variances.set(kept.variances);
    this.#interval_s = options.interval_s;
  }

  get isFull(): boolean {
    return this.members.size >= MOST_MEMBERS;
  }

  /** Looks at what the members are now, once an interval; undefined in between, and as long as too few are ready. */
  step(time_s: number): GroupOutcome | undefined {
    if (time_s - this.#lastTime_s < this.#interval_s * 0.9) return undefined;
    this.#lastTime_s = time_s;
    const members: M[] = [];
    for (const member of this.members) {
      const isFresh = time_s - member.model.lastTime_s < 2 * this.#interval_s;
      if (isFresh && member.model.isReady) members.push(member);
    }
    if (members.length < LEAST_MEMBERS) return undefined;
    const { distance, driver } = this.#distance(members);
    return { outcome: this.model.step(time_s, distance), driver };
  }

  /** Mean distance of a member, and who contributes most; learns the directions unless something is wrong. */
  #distance(members: readonly M[]): { distance: number; driver: M } {
    const variances = this.variances;
    const values = Float64Array.from(members, ({ model }) => model.innovation);
    /** What is left when the directions are taken out, and each member's part of the distance. */
    const rest = Float64Array.from(values);
    const parts = new Float64Array(members.length);
    const isLearning = !this.model.isAnomalous;
    variances[RANK + 1] = variances[RANK + 1]! + 1;
    const gain = Math.max(GAIN, 1 / variances[RANK + 1]!);
    for (let direction = 0; direction < RANK; direction++) {
      let length = 0;
      for (const { loadings } of members) length += loadings[direction]! ** 2;
      length = Math.sqrt(length);
      let along = 0;
      if (length > 0) {
        for (let i = 0; i < members.length; i++) along += (members[i]!.loadings[direction]! / length) * rest[i]!;
      }
      const variance = Math.max(LEAST_VARIANCE, variances[direction]!);
      for (let i = 0; i < members.length; i++) {
        const { loadings } = members[i]!;
        const unit = length > 0 ? loadings[direction]! / length : 0;
        parts[i] = parts[i]! + (values[i]! * unit * along) / variance;
        const before = rest[i]!;
        if (isLearning) {
          const target = length > 0 ? along * before : before;
          loadings[direction] = loadings[direction]! + (target - loadings[direction]!) * gain;
        }
        rest[i] = before - along * unit;
      }
      if (isLearning) variances[direction] = variances[direction]! + (along * along - variances[direction]!) * gain;
    }
    let square = 0;
    let unexplained = 0;
    let driver = 0;
    const left = Math.max(LEAST_VARIANCE, variances[RANK]!);
    for (let i = 0; i < members.length; i++) {
      unexplained += rest[i]! ** 2 / members.length;
      parts[i] = parts[i]! + rest[i]! ** 2 / left;
      square += parts[i]!;
      if (parts[i]! > parts[driver]!) driver = i;
    }
    if (isLearning) variances[RANK] = variances[RANK]! + (unexplained - variances[RANK]!) * gain;
    return { distance: Math.sqrt(Math.max(0, square) / members.length), driver: members[driver]! };
  }
}
