import * as v from 'valibot';
import { defineReceiver, type BatchObservableResult } from '../../src/component.ts';
import { createTotalsSource } from '../../src/procfs/stat.ts';
import { countListed, STATES, createCensusTaker } from './census.ts';

const STATE = 'process.state';

export default defineReceiver({
  type: 'processes',
  about: 'Counts processes by state, threads, orphans, and how many processes were created.',
  config: v.strictObject({}),
  metrics: {
    count: {
      ...level('system.process.count', '{process}'),
      about: 'Processes by state; sleeping includes those that wait for a disk, defunct are zombies.',
      attributes: [STATE],
    },
    created: {
      name: 'system.process.created',
      instrument: 'counter',
      unit: '{process}',
      about: 'Processes and threads created since boot.',
      attributes: [],
    },
    orphans: {
      ...level('system.linux.process.orphan.count', '{process}'),
      about: 'Processes whose creator has ended: their session is neither their own nor that of their parent.',
      source: 'sonde',
    },
    threads: {
      ...level('system.linux.thread.count', '{thread}'),
      about: 'Threads of all processes, those of the kernel included.',
      source: 'sonde',
    },
    runnable: {
      ...level('system.linux.thread.runnable', '{thread}'),
      about: 'Threads that run or wait for a CPU.',
      source: 'sonde',
    },
    blocked: {
      ...level('system.linux.thread.blocked', '{thread}'),
      about: 'Threads that wait for a disk.',
      source: 'sonde',
    },
  },
  sources: ['/proc/stat', '/proc/[pid]/stat'],
  permissions: [{ needs: 'CAP_SYS_PTRACE', without: 'processes of other users, where /proc is mounted with hidepid' }],
  create({ host, log, metrics, isEnabled }) {
    const readTotals = createTotalsSource({ host, log });
    const needsTotals = isEnabled('created') || isEnabled('runnable') || isEnabled('blocked');
    const needsCensus = isEnabled('count') || isEnabled('orphans') || isEnabled('threads');
    const censusTaker = createCensusTaker(host, log);
    const states = STATES.map((state) => ({ [STATE]: state }));

    function observeCounts(observer: BatchObservableResult, counts: readonly number[]): void {
      for (let state = 0; state < STATES.length; state++) observer.observe(metrics.count, counts[state], states[state]);
    }

    async function observeElsewhere(observer: BatchObservableResult): Promise<void> {
      if (!isEnabled('count')) return;
      const { list } = await (await host.systeminformation()).processes();
      const counts = countListed(list);
      if (typeof counts === 'number') observer.observe(metrics.count, counts);
      else observeCounts(observer, counts);
    }

    return {
      collect(observer) {
        if (host.platform !== 'linux') return observeElsewhere(observer);
        const totals = needsTotals ? readTotals() : undefined;
        if (totals !== undefined) {
          observer.observe(metrics.created, totals.forks);
          observer.observe(metrics.runnable, totals.runnable);
          observer.observe(metrics.blocked, totals.blocked);
        }
        const census = needsCensus ? censusTaker.take() : undefined;
        if (census === undefined) return undefined;
        observeCounts(observer, census.states);
        observer.observe(metrics.orphans, census.orphans);
        observer.observe(metrics.threads, census.threads);
        return undefined;
      },
      stop: () => censusTaker.close(),
    };
  },
});

function level(name: string, unit: string) {
  return { name, instrument: 'updowncounter', unit, attributes: [] as readonly string[] } as const;
}
