import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Operation } from './faulty_folder.ts';
import { createQueueModel, type Break, type Damage, type QueueModel } from './queue_model.ts';

/** More with `SONDE_QUEUE_RUNS=10000`. */
const RUNS = Number(process.env['SONDE_QUEUE_RUNS'] ?? 250);

type Command = (queue: QueueModel) => Promise<void> | void;

const FAILING: readonly Operation[] = [
  'free',
  'list',
  'open',
  'read',
  'remove',
  'rename',
  'sync',
  'sync_folder',
  'truncate',
  'write',
];

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 800 }) },
  { weight: 3, arbitrary: fc.integer({ min: 800, max: 6000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 6000, max: 20_000 }) },
);
const count = fc.integer({ min: 1, max: 5 });
const breaks: fc.Arbitrary<Break[]> = fc.array(fc.record({ steps: fc.nat(30), isPower: fc.boolean() }), {
  maxLength: 2,
});
const damage: fc.Arbitrary<Damage> = fc.record({
  file: fc.nat(20),
  at: fc.nat(100_000),
  is: fc.constantFrom('flip', 'cut', 'insert', 'zero'),
  length: fc.integer({ min: 1, max: 300 }),
});

/** Commands with their words, which a failure is told in. */
const say = (words: string, run: Command): { readonly run: Command; [fc.toStringMethod]: () => string } => ({
  run,
  [fc.toStringMethod]: () => words,
});
const command = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(size, count).map(([s, c]) => say(`put ${s} ${c}`, (q) => q.put(s, c))) },
  {
    weight: 6,
    arbitrary: fc.array(fc.tuple(size, count), { minLength: 2, maxLength: 12 }).map((all) =>
      say(`put ${all.join(' ; ')}`, (q) => {
        for (const [s, c] of all) q.put(s, c);
      }),
    ),
  },
  { weight: 8, arbitrary: fc.boolean().map((h) => say(`take ${h}`, (q) => q.take(h))) },
  {
    weight: 4,
    arbitrary: fc.integer({ min: 2, max: 10 }).map((times) =>
      say(`take and settle ${times} times`, async (q) => {
        for (let time = 0; time < times; time++) {
          q.take(false);
          await q.run(3);
          q.settle(0);
        }
      }),
    ),
  },
  { weight: 8, arbitrary: fc.nat(5).map((pick) => say(`settle ${pick}`, (q) => q.settle(pick))) },
  { weight: 1, arbitrary: fc.constant(say('release, close', (q) => q.restart('release', []))) },
  { weight: 3, arbitrary: fc.constant(say('evict', (q) => q.evict())) },
  { weight: 12, arbitrary: fc.integer({ min: 1, max: 12 }).map((n) => say(`run ${n}`, (q) => q.run(n))) },
  {
    weight: 5,
    arbitrary: fc
      .constantFrom(1, 10, 30, 1000, 1500, 60_000, 200_000)
      .map((ms) => say(`pass ${ms}`, (q) => q.pass(ms))),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...FAILING), fc.constantFrom(0.05, 0.3, 1))
      .map(([o, chance]) => say(`faults ${o} ${chance}`, (q) => q.faults(o, chance))),
  },
  { weight: 1, arbitrary: fc.nat(9000).map((bytes) => say(`fill ${bytes}`, (q) => q.fill(bytes))) },
  { weight: 2, arbitrary: fc.constant(say('recover', (q) => q.recover())) },
  { weight: 2, arbitrary: breaks.map((b) => say(`close ${JSON.stringify(b)}`, (q) => q.restart('close', b))) },
  { weight: 3, arbitrary: breaks.map((b) => say(`kill ${JSON.stringify(b)}`, (q) => q.restart('kill', b))) },
  { weight: 3, arbitrary: breaks.map((b) => say(`power ${JSON.stringify(b)}`, (q) => q.restart('power', b))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('close' as const, 'kill' as const, 'power' as const), damage)
      .map(([how, d]) => say(`${how}, damage ${JSON.stringify(d)}`, (q) => q.restart(how, [], d))),
  },
  { weight: 2, arbitrary: fc.constant(say('drain', (q) => q.drain())) },
);

const run = fc.record({
  sync: fc.constantFrom('always' as const, 'group' as const, 'none' as const),
  order: fc.constantFrom('fifo' as const, 'fresh_first' as const),
  capacity_bytes: fc.constantFrom(16_384, 65_536),
  maxAge_ms: fc.constantFrom(0, 0, 100_000),
  seed: fc.nat(),
  commands: fc.array(command, { minLength: 1, maxLength: 60, size: 'max' }),
});

test('a queue on disk hands out what it owes and counts what it loses, whatever fails', async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(run, async ({ commands, seed, ...options }) => {
      const queue = createQueueModel(options, seed, seen);
      await queue.begin();
      for (const { run: perform } of commands) await perform(queue);
      await queue.end();
    }),
    { numRuns: RUNS, ...seedOf(process.env['SONDE_QUEUE_SEED']) },
  );
  for (const what of INTERESTING) expect(seen.get(what), what).toBeGreaterThan(0);
}, 600_000);

/** States that a run has to come by, or it shows nothing. */
const INTERESTING = [
  'several segments',
  'no room',
  'full',
  'evicted',
  'expired',
  'crash during a put',
  'crash during a settle',
  'power cut',
  'Cuts off what a crash left unfinished',
  'Skips damaged records of',
  'Sets a segment aside that it cannot use',
  'Cannot remember what was delivered: after a crash it is delivered again',
  'room again',
];

function seedOf(text: string | undefined): { seed?: number; path?: string; endOnFailure?: boolean } {
  if (text === undefined) return {};
  const [seed, path] = text.split('/');
  return { seed: Number(seed), ...(path !== undefined && { path }) };
}
