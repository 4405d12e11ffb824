/** The options of the receiver `process`. */
import * as v from 'valibot';
import { duration, option } from '../../src/config/options.ts';
import { GROUPINGS } from './describe.ts';
import { DESCRIPTIONS } from './metrics.ts';
import { rules } from './rules.ts';
import { MEASURES, type MeasureName } from './units.ts';

const TOP: Readonly<Record<MeasureName, readonly [places: number, about: string]>> = {
  cpu: [5, 'How many by CPU time.'],
  memory: [5, 'How many by physical memory.'],
  io: [5, 'How many by bytes read from and written to storage.'],
  faults: [0, 'How many by page faults.'],
  context_switches: [0, 'How many by context switches.'],
  swap: [0, 'How many by memory that is swapped out.'],
  threads: [0, 'How many by threads.'],
  file_descriptors: [0, 'How many by open file descriptors.'],
};

function places(name: MeasureName) {
  const [byDefault, about] = TOP[name];
  return option(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1000)), about, byDefault);
}

export const options = {
  top: option(
    v.strictObject({
      cpu: places('cpu'),
      memory: places('memory'),
      io: places('io'),
      faults: places('faults'),
      context_switches: places('context_switches'),
      swap: places('swap'),
      threads: places('threads'),
      file_descriptors: places('file_descriptors'),
    } satisfies Record<keyof typeof MEASURES, unknown>),
    'How many processes, or groups, are reported by each measure; one may be among the first by several.',
    {},
  ),
  group_by: option(
    v.picklist(['none', ...GROUPINGS]),
    'Reports groups of processes rather than processes: by executable, owner, unit of systemd or container. The counters of a group go on when members end.',
    'none',
  ),
  pinned: option(
    rules(),
    'Processes that are always reported, or whose group is: those that fit any of these rules.',
    [],
  ),
  exclude: option(
    rules(),
    'Processes that are never reported, not even in groups: they are part of the remainder.',
    [],
  ),
  max_pinned: option(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(10_000)),
    'How many may be pinned; what is beyond is ranked like any other.',
    100,
  ),
  hysteresis: option(
    v.pipe(v.number(), v.minValue(0), v.maxValue(10)),
    'By which share another must exceed the least of those who are in to take its place.',
    0.25,
  ),
  min_stay: option(duration(), 'How long who came in stays at least.', '1m'),
  attributes: option(
    v.array(v.picklist(DESCRIPTIONS)),
    'What describes a process, besides its pid and creation time.',
    ['process.executable.name', 'process.command', 'process.owner', 'systemd.unit', 'container.id'],
  ),
  command_line: option(
    v.picklist(['none', 'redacted', 'full']),
    'Whether process.command_line is added: with what looks like a secret replaced, or in full, secrets included.',
    'none',
  ),
  refresh_idle: option(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)),
    'Of a process that is not reported and whose stat shows no activity, I/O, context switches, swap and descriptors are read at every so many collections only.',
    8,
  ),
  kept_descriptors: option(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000)),
    'How many /proc/[pid]/stat are kept open at most, and never more than half of the limit of open files: each spares half of the work and costs the kernel 4 KiB.',
    4096,
  ),
};

export type ProcessConfig = v.InferOutput<v.StrictObjectSchema<typeof options, undefined>>;

/** The measures that are ranked, with their places. */
export function rankedMeasures(
  top: ProcessConfig['top'],
): readonly { readonly name: MeasureName; readonly places: number }[] {
  const names = Object.keys(MEASURES) as MeasureName[];
  return names.filter((name) => top[name] > 0).map((name) => ({ name, places: top[name] }));
}
