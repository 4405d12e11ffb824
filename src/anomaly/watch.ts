/** All series that are watched: takes batches, says what began and what ended. Memory is bounded by `maxSeries`. */
import type { MetricBatch, Series } from '../model/batch.ts';
import { perLayout } from '../model/layout.ts';
import {
  type FeatureDefinition,
  featuresOf,
  readFeature,
  Sampler,
  seriesId,
  type Feature,
  hash52,
} from './features.ts';
import { GroupModel, RANK } from './group.ts';
import { SeriesModel, SILENT_INTERVALS } from './model.ts';
import { lastTimeOf, type ModelOptions, type Outcome } from './state.ts';
import type { Kept, KeptGroup, KeptSeries } from './state_file.ts';

export interface WatchOptions extends ModelOptions {
  readonly maxSeries: number;
  /** Series of which nothing was heard for so long are forgotten. */
  readonly forget_s: number;
  isMeant(series: Series): boolean;
  /** The group that a series belongs to. */
  groupOf(series: Series): string | undefined;
}

/** One feature of one series. */
export interface Watched {
  readonly id: number;
  /** The newest object of it. */
  series: Series;
  readonly feature: Feature;
  readonly grain: number;
  readonly sampler: Sampler;
  readonly model: SeriesModel;
  readonly loadings: number[];
  readonly group: Group | undefined;
  /** The newest sample. */
  value: number;
  /** When it was last anomalous, and when anything was last heard of it. */
  lastAnomalous_s: number;
  lastHeard_s: number;
}

export interface Group {
  readonly id: number;
  readonly name: string;
  readonly model: GroupModel<Watched>;
  driver: Watched | undefined;
  /** Whether what began in it was said: a group that is quieter than usual is none. */
  isTold: boolean;
}

/** Something that began or ended: of a series, or of a group and the series that drives it. */
export interface Happening {
  readonly time_s: number;
  readonly watched: Watched;
  readonly group: Group | undefined;
  readonly model: SeriesModel;
  readonly outcome: Outcome | 'vanished';
}

export interface Watch {
  take(batch: MetricBatch): readonly Happening[];
  /** Forgets what has vanished, and ends its anomalies. */
  sweep(): readonly Happening[];
  keep(): Kept;
  readonly watched: Iterable<Watched>;
  readonly groups: Iterable<Group>;
  readonly size: number;
  /** Features of series that there is no room for. */
  readonly overflow: number;
  /** Newest time of any sample. */
  readonly now_s: number;
}

export function createWatch(options: WatchOptions, kept?: Kept): Watch {
  const { interval_s, maxSeries, forget_s, isMeant, groupOf } = options;
  const all = new Map<number, Watched>();
  const groups = new Map<string, Group>();
  /** What was learnt before the restart, of series that have not come again yet. */
  const dormant = new Map<number, KeptSeries>(kept?.series.map((each) => [each.id, each]));
  const dormantGroups = new Map<number, KeptGroup>(kept?.groups.map((each) => [each.id, each]));
  const refused = new Set<number>();
  /** How many there were before the last sweep. */
  let overflow = 0;
  /** Rises whenever a series is forgotten: then layouts look their series up again. */
  let generation = 0;
  let now_s = 0;

  function lookUp(series: Series): readonly Watched[] {
    if (!isMeant(series)) return [];
    return featuresOf(series).flatMap((definition) => watch(series, definition) ?? []);
  }

  function watch(series: Series, definition: FeatureDefinition): Watched | undefined {
    // The features of a series differ by less than the ids of two series are likely to.
    const id = seriesId(series) + (definition.feature === 'sum_rate' ? 0.5 : 0);
    const known = all.get(id);
    if (known !== undefined) {
      known.series = series;
      return known;
    }
    if (all.size >= maxSeries) {
      if (refused.size < maxSeries) refused.add(id);
      return undefined;
    }
    const before = dormant.get(id);
    dormant.delete(id);
    const group = findGroup(series);
    const watched: Watched = {
      id,
      series,
      feature: definition.feature,
      grain: definition.grain(interval_s),
      sampler: new Sampler(definition, interval_s),
      model: new SeriesModel(options, before?.model),
      loadings: before === undefined ? Array.from({ length: RANK }, () => 0) : Array.from(before.loadings),
      group: group?.model.isFull === true ? undefined : group,
      value: NaN,
      lastAnomalous_s: -Infinity,
      lastHeard_s: now_s,
    };
    watched.group?.model.members.add(watched);
    all.set(id, watched);
    return watched;
  }

  function findGroup(series: Series): Group | undefined {
    const name = groupOf(series);
    if (name === undefined) return undefined;
    let group = groups.get(name);
    if (group === undefined) {
      const id = hash52(name);
      const model = new GroupModel<Watched>(options, dormantGroups.get(id));
      dormantGroups.delete(id);
      groups.set(name, (group = { id, name, model, driver: undefined, isTold: false }));
    }
    return group;
  }

  const rowsOf = perLayout((layout) => ({
    generation,
    rows: layout.map(lookUp),
    groups: undefined as Set<Group> | undefined,
  }));

  function takeSample(
    watched: Watched,
    time_s: number,
    value: number,
    startTime: bigint,
    happenings: Happening[],
  ): void {
    const { model, series } = watched;
    // Whoever counts began anew, and does at first what is not usual.
    const isReborn = series.metric.temporality === 'cumulative' && Number(startTime) / 1e9 > model.lastTime_s;
    if (isReborn && model.lastTime_s > 0) model.settle();
    watched.lastHeard_s = time_s;
    watched.value = value;
    const outcome = model.step(time_s, value, watched.grain);
    if (model.isAnomalous) watched.lastAnomalous_s = time_s;
    if (outcome === 'began' || outcome === 'recovered' || outcome === 'adapted') {
      happenings.push({ time_s, watched, group: undefined, model, outcome });
    }
  }

  function stepGroup(group: Group, time_s: number, happenings: Happening[]): void {
    const stepped = group.model.step(time_s);
    if (stepped === undefined) return;
    const { outcome } = stepped;
    const { model } = group.model;
    if (outcome === 'began') {
      group.driver = stepped.driver as Watched;
      // Nearer to what is expected than usual is nothing to tell; the same value again and again is no fault of a distance.
      group.isTold = model.kind !== 'stuck' && model.score >= 1 && isFarther(group);
    }
    if (!group.isTold || group.driver === undefined) return;
    if (outcome === 'began' || outcome === 'recovered' || outcome === 'adapted') {
      happenings.push({ time_s, watched: group.driver, group, model, outcome });
      group.isTold = outcome === 'began';
    }
  }

  return {
    take(batch) {
      const happenings: Happening[] = [];
      const cached = rowsOf(batch.series);
      if (cached.generation !== generation) {
        cached.generation = generation;
        cached.rows = batch.series.map(lookUp);
        cached.groups = undefined;
      }
      const { rows } = cached;
      let time_s = Number(batch.time) / 1e9;
      for (let row = 0; row < batch.count; row++) {
        const features = rows[row]!;
        if (features.length === 0) continue;
        if (batch.times !== undefined) time_s = Number(batch.times[row]!) / 1e9;
        if (time_s > now_s) now_s = time_s;
        const { startTime } = batch.series[row]!;
        for (const watched of features) {
          const value = watched.sampler.take(time_s, readFeature(batch, row, watched.feature), startTime);
          if (!Number.isNaN(value)) takeSample(watched, time_s, value, startTime, happenings);
        }
      }
      cached.groups ??= new Set(rows.flatMap((features) => features.flatMap(({ group }) => group ?? [])));
      for (const group of cached.groups) stepGroup(group, time_s, happenings);
      return happenings;
    },
    sweep() {
      const happenings: Happening[] = [];
      for (const watched of all.values()) {
        const silent_s = now_s - watched.lastHeard_s;
        if (silent_s > forget_s) {
          all.delete(watched.id);
          watched.group?.model.members.delete(watched);
          generation++;
        }
        if (watched.model.isAnomalous && silent_s > SILENT_INTERVALS * interval_s) {
          watched.model.end();
          happenings.push({ time_s: now_s, watched, group: undefined, model: watched.model, outcome: 'vanished' });
        }
      }
      for (const [name, { model }] of groups) if (model.members.size === 0) groups.delete(name);
      for (const [id, { model }] of dormant) if (now_s - lastTimeOf(model) > forget_s) dormant.delete(id);
      overflow = refused.size;
      if (overflow > 0) {
        // Those that still come are refused again; room may have been made.
        refused.clear();
        generation++;
      }
      return happenings;
    },
    keep() {
      const series = Array.from(all.values(), ({ id, model, loadings }) => ({
        id,
        model: model.bytes,
        loadings: Float64Array.from(loadings),
      }));
      const ofGroups = Array.from(groups.values(), ({ id, model }) => ({
        id,
        model: model.model.bytes,
        variances: model.variances,
      }));
      return {
        interval_s,
        series: [...series, ...dormant.values()].slice(0, maxSeries),
        groups: [...ofGroups, ...dormantGroups.values()],
      };
    },
    get watched() {
      return all.values();
    },
    get groups() {
      return groups.values();
    },
    get size() {
      return all.size;
    },
    get overflow() {
      return Math.max(overflow, refused.size);
    },
    get now_s() {
      return now_s;
    },
  };
}

function isFarther({ model: { model } }: Group): boolean {
  return model.lastValue > model.expected;
}
