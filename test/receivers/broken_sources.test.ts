/**
 * Breaks each file that receivers read, one at a time and in every way: what it does not tell is lost and said, what other
 * files tell is all there, to the last value.
 */
import { expect, test } from 'vitest';
import { catalog } from '../../src/cli/catalog.ts';
import type { AnyReceiverDefinition } from '../../src/component.ts';
import { loadRegistry } from '../../src/config/registry.ts';
import { createHost, type Host } from '../../src/procfs/host.ts';
import { runReceiver, valuesOf } from '../support/collect.ts';
import { rootOf } from '../support/machines.ts';

const { receivers } = await loadRegistry(catalog);

/** What becomes of the bytes of a file; may throw instead. */
type Breakage = (file: Uint8Array) => Uint8Array;

const failWith = (code: string): Breakage => {
  return () => {
    throw Object.assign(new Error(`${code}: broken on purpose`), { code });
  };
};
const BREAKAGES: Readonly<Record<string, Breakage>> = {
  denied: failWith('EACCES'),
  'not there': failWith('ENOENT'),
  'of a device that went away': failWith('ENODEV'),
  empty: () => new Uint8Array(0),
  garbage: () => Buffer.from('\0\xffgarbage -1 %s\n:::\n', 'latin1'),
  'cut off in the middle': (file) => file.slice(0, file.length >> 1),
  'cut off behind a line': (file) => file.slice(0, file.indexOf(10, file.length >> 1) + 1),
  'without its third line': (file) => withoutLine(file, 2),
  'without its last line but one': (file) => withoutLine(file, Buffer.from(file).toString().split('\n').length - 3),
};

function withoutLine(file: Uint8Array, at: number): Uint8Array {
  const lines = Buffer.from(file).toString().split('\n');
  return Buffer.from(lines.filter((_, index) => index !== at).join('\n'));
}

const MACHINE = rootOf('debian12-kvm');
/** Receivers of events and connectors tell what they miss in their own ways; the others named here read no files of text. */
const measuring = receivers.filter(
  ({ type, signals, takes }) =>
    !signals.includes('logs') && takes.length === 0 && !['clock', 'filesystem', 'self', 'systemd'].includes(type),
);

interface Outcome {
  readonly values: Readonly<Record<string, number>>;
  readonly said: readonly string[];
}

/** Three collections of a receiver on a machine of which files break, before the first collection or after it. */
async function measure(
  definition: AnyReceiverDefinition,
  isBrokenLater: boolean,
  breakFile: (path: string, file: Uint8Array) => Uint8Array,
): Promise<Outcome> {
  const host = createHost({ rootPath: MACHINE });
  let isBroken = !isBrokenLater;
  // As the real host: what was read before is overwritten.
  const buffer = Buffer.alloc(1 << 20);
  const broken = (path: string, file: Uint8Array): Uint8Array => (isBroken ? breakFile(path, file) : file);
  const intercept = (path: string, file: Uint8Array): Uint8Array => {
    const bytes = broken(path, Uint8Array.from(file));
    buffer.fill(0).set(bytes);
    return buffer.subarray(0, bytes.length);
  };
  const reading =
    (read: (path: string) => Uint8Array) =>
    (path: string): Uint8Array =>
      intercept(path, read(path));
  const replaced: Partial<Host> = {
    read: reading(host.read),
    readOnce: reading(host.readOnce),
    readText: (path) => Buffer.from(broken(path, Buffer.from(host.readText(path)))).toString(),
    open(path) {
      const file = host.open(path);
      return { ...file, read: () => intercept(path, file.read()) };
    },
  };
  const run = await runReceiver(definition, { rootPath: MACHINE, everything: true, host: replaced });
  try {
    await run.collect();
    isBroken = true;
    await run.collect();
    return { values: withoutCounts(valuesOf(await run.collect())), said: run.said };
  } finally {
    await run.stop();
    host.close();
  }
}

/** Files whose lines are counted: less of them is less of what is counted, by their own tests. */
const COUNTED = /^\/proc\/(\d+\/stat|1\/net\/(tcp|udp)6?)$/;
/** CPUs are counted by the lines of /proc/stat. */
const isCount = (series: string): boolean => /^system\.cpu\.(logical|physical)\.count/.test(series);
const withoutCounts = (values: Outcome['values']): Outcome['values'] =>
  Object.fromEntries(Object.entries(values).filter(([series]) => !isCount(series)));

const cases = measuring.flatMap((definition) =>
  [false, true].map((isLater) => [definition.type, isLater ? 'later' : 'from the start', definition, isLater] as const),
);

test.each(cases)(
  '%s loses what a file tells that is broken %s, says so, and has all the rest',
  async (_, _when, definition, isBrokenLater) => {
    const paths = new Set<string>();
    const whole = await measure(definition, false, (path, file) => {
      paths.add(path);
      return file;
    });
    expect(paths.size).toBeGreaterThan(0);
    expect(Object.keys(whole.values)).not.toEqual([]);
    for (const broken of [...paths].filter((path) => !COUNTED.test(path))) {
      const breakWith = (breakage: Breakage): Promise<Outcome> =>
        measure(definition, isBrokenLater, (path, file) => (path === broken ? breakage(file) : file));
      const { values: others } = await breakWith(BREAKAGES['not there']!);
      for (const [name, breakage] of Object.entries(BREAKAGES)) {
        const { values, said } = await breakWith(breakage);
        const where = `${broken}, ${name}`;
        // What other files tell is there,
        expect(values, where).toMatchObject(others);
        // and what is told of this one is true, but for a number that was cut through.
        const changed = Object.entries(values).filter(([series, value]) => value !== whole.values[series]);
        expect(changed.length, where).toBeLessThanOrEqual(name === 'cut off in the middle' ? 1 : 0);
        const news = said.filter((line) => !whole.said.includes(line));
        const isMissed = !isBrokenLater || Object.keys(whole.values).some((series) => !(series in values));
        if (name === 'denied' && isMissed) expect(news.join(), where).toContain('permission denied (EACCES)');
        // It is said once, not at every collection.
        expect(new Set(news).size, where).toBe(news.length);
      }
    }
  },
);
