/**
 * Processes of systems without `/proc`, as systeminformation lists them: memory, address space and uptime. It knows no
 * counters; CPU time only as a share, by which processes are ranked.
 */
import type { Systeminformation } from 'systeminformation';
import type { BatchObservableResult } from '../../src/component.ts';
import type { AnyValue } from '../../src/model/attributes.ts';
import { commandLineOf, commandOf } from '../../src/procfs/process/command.ts';
import type { Identity } from '../../src/procfs/process/identity.ts';
import { COUNTERS, createNumbers, LEVELS, RESIDENT, VIRTUAL } from '../../src/procfs/process/process.ts';
import { creationTime } from '../../src/procfs/process/creation.ts';
import { GROUP_ATTRIBUTES, groupOf } from './describe.ts';
import type { TrackerOptions } from './linux.ts';
import { REMAINDER } from './metrics.ts';
import { rankedMeasures } from './options.ts';
import { createRanking } from './ranking.ts';
import { compileRules } from './rules.ts';
import { UnitSeries } from './series.ts';
import { type MeasureName, Unit } from './units.ts';

type Listed = Systeminformation.ProcessesProcessData;

const KIB = 1024;
const NO_COUNTERS = createNumbers(COUNTERS);

export function createElsewhere(options: TrackerOptions): (observer: BatchObservableResult) => Promise<void> {
  const { config, host, metrics } = options;
  const grouping = config.group_by === 'none' ? undefined : config.group_by;
  const ranked = rankedMeasures(config.top);
  const ranking = createRanking<Unit>({
    places: ranked.map(({ places }) => places),
    hysteresis: config.hysteresis,
    minStay_ms: config.min_stay,
  });
  const isPinned = compileRules(config.pinned);
  const isExcluded = compileRules(config.exclude);
  const remainder = new UnitSeries({ [REMAINDER]: grouping ?? 'process' }, undefined);
  /** By pid and start, or by the name of the group. */
  const units = new Map<string, Unit>();
  let collection = -1;

  /** The unit that a process belongs to, with the process added to it; undefined if it belongs to the remainder. */
  function add(one: Listed, observed: Map<Unit, Listed>): Unit | undefined {
    const identity = identityOf(one);
    if (isExcluded(identity)) return undefined;
    const name = grouping === undefined ? `${one.pid} ${one.started}` : groupOf(grouping, identity);
    if (name === undefined) return undefined;
    let unit = units.get(name);
    if (unit === undefined) units.set(name, (unit = new Unit(ranked.length, collection)));
    if (unit.populatedIn !== collection || unit.size === 0) {
      unit.populatedIn = collection;
      unit.size = 0;
      unit.levels[RESIDENT] = 0;
      unit.levels[VIRTUAL] = 0;
      unit.scores.fill(0);
      unit.isPinned = false;
    }
    unit.size++;
    unit.levels[RESIDENT] += one.memRss * KIB;
    unit.levels[VIRTUAL] += one.memVsz * KIB;
    for (const [m, measure] of ranked.entries()) unit.scores[m] += scoreOf(one, measure.name);
    unit.isPinned ||= isPinned(identity);
    unit.series ??= new UnitSeries(
      grouping === undefined ? attributesOf(one, identity) : { [GROUP_ATTRIBUTES[grouping]]: name },
      undefined,
    );
    observed.set(unit, one);
    return unit;
  }

  function attributesOf(one: Listed, identity: Identity): Record<string, AnyValue> {
    const started_ms = startOf(one);
    const all: Record<string, AnyValue | undefined> = {
      'process.executable.name': identity.executable,
      'process.executable.path': identity.executablePath,
      'process.command': commandOf(identity.args, identity.executablePath),
      'process.owner': identity.owner,
      'process.parent_pid': one.parentPid,
    };
    const described: Record<string, AnyValue> = { 'process.pid': one.pid };
    if (!Number.isNaN(started_ms)) described['process.creation.time'] = creationTime(BigInt(started_ms) * 1_000_000n);
    for (const key of config.attributes) {
      const value = all[key];
      if (value !== undefined && value !== '') described[key] = value;
    }
    const line = commandLineOf(identity.args, config.command_line);
    if (line !== undefined) described['process.command_line'] = line;
    return described;
  }

  return async (observer) => {
    const { list } = await (await host.systeminformation()).processes();
    collection++;
    const observed = new Map<Unit, Listed>();
    const unitOf = list.map((one) => add(one, observed));
    for (const [name, unit] of units) {
      if (observed.has(unit)) continue;
      unit.hasEnded = true;
      units.delete(name);
    }
    const all = [...observed.keys()];
    const pinned = all.filter((unit) => unit.isPinned).slice(0, config.max_pinned);
    const reported = new Set([...pinned, ...ranking.select(all, performance.now())]);
    const now_ms = Number(host.bootTime() / 1_000_000n) + host.os.uptime() * 1000;
    for (const unit of reported) {
      const { attributes } = unit.series!;
      unit.series!.observe(observer, metrics, NO_COUNTERS, unit.levels);
      const started_ms = startOf(observed.get(unit)!);
      if (grouping !== undefined) observer.observe(metrics.count, unit.size, attributes);
      else observer.observe(metrics.uptime, Math.max(0, now_ms - started_ms) / 1000, attributes);
    }
    const rest = list.filter((_, index) => unitOf[index] === undefined || !reported.has(unitOf[index]));
    const levels = createNumbers(LEVELS);
    levels[RESIDENT] = rest.reduce((sum, { memRss }) => sum + memRss * KIB, 0);
    levels[VIRTUAL] = rest.reduce((sum, { memVsz }) => sum + memVsz * KIB, 0);
    remainder.observe(observer, metrics, NO_COUNTERS, levels);
    observer.observe(metrics.count, rest.length, remainder.attributes);
  };
}

/** Milliseconds since 1970 of `2026-11-21 22:29:37`, which is local time; NaN where it is not told. */
function startOf({ started }: Listed): number {
  return new Date(started.replace(' ', 'T')).getTime();
}

/** What the library does not know has no place. */
function scoreOf(one: Listed, measure: MeasureName): number {
  if (measure === 'cpu') return one.cpu;
  return measure === 'memory' ? one.memRss : NaN;
}

function identityOf({ name, path, command, params, user }: Listed): Identity {
  return {
    executable: name,
    executablePath: path === '' ? undefined : path,
    args: [command, params].filter((text) => text !== ''),
    owner: user === '' ? undefined : user,
    cgroup: { line: undefined, unit: undefined, containerId: undefined },
  };
}
