/** Refuses data while the agent takes too much memory. */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { defineProcessor } from '../src/component.ts';
import { duration, option, optional, size } from '../src/config/options.ts';
import { RetryableError } from '../src/errors.ts';
import { readMemoryLimit } from '../src/procfs/cgroup_memory.ts';

/** Between two collections of garbage while above the soft limit: each takes tens of milliseconds. */
const SOFT_COLLECTION_MS = 10_000;

const percentage = v.pipe(v.number(), v.minValue(0), v.maxValue(100));

export default defineProcessor({
  type: 'memory_limiter',
  about:
    'Refuses data while the agent takes more memory than the soft limit (limit minus spike_limit), so that senders wait ' +
    'and try again; above the limit it also collects garbage at every check. Put it first in a pipeline.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    check_interval: option(duration(), 'How often the resident memory of the process is measured.', '1s'),
    limit: optional(size(), 'Most memory the process shall take; goes before limit_percentage.'),
    spike_limit: optional(
      size(),
      'How much it may grow between two checks; a fifth of the limit if left out, unless spike_limit_percentage says it.',
    ),
    limit_percentage: option(
      percentage,
      'The same in percent of the memory there is: the limit of the control group, or all of the machine.',
      80,
    ),
    spike_limit_percentage: optional(percentage, 'The same for spike_limit; only beside limit_percentage.'),
  }),
  create({ id, config, next, log }) {
    const { hard, soft } = limitsOf(id, config);
    let timer: NodeJS.Timeout | undefined;
    let isRefusing = false;
    let collectGarbage: (() => void) | undefined;
    let collected_ms = -Infinity;

    function check(): void {
      let used = process.memoryUsage.rss();
      if (used > soft && (used > hard || performance.now() - collected_ms >= SOFT_COLLECTION_MS)) {
        // Garbage counts as memory, and without work V8 sees no reason to collect it: it would be refused for ever.
        collectGarbage ??= garbageCollector();
        collectGarbage();
        collected_ms = performance.now();
        used = process.memoryUsage.rss();
      }
      if (used > soft === isRefusing) return;
      isRefusing = !isRefusing;
      if (isRefusing) log.warn(`Refusing data: ${mebibytes(used)} of memory are above the limit of ${mebibytes(soft)}`);
      else log.info(`Taking data again: ${mebibytes(used)} of memory are below the limit of ${mebibytes(soft)}`);
    }

    return {
      start() {
        check();
        timer = setInterval(check, config.check_interval);
        timer.unref();
      },
      stop() {
        clearInterval(timer);
      },
      consume(batch) {
        if (!isRefusing) return next.consume(batch);
        throw new RetryableError(`Cannot take data: the agent is above its memory limit of ${mebibytes(soft)}`, {
          retryAfter_ms: config.check_interval,
        });
      },
    };
  },
});

interface LimitOptions {
  readonly limit?: number | undefined;
  readonly spike_limit?: number | undefined;
  readonly limit_percentage: number;
  readonly spike_limit_percentage?: number | undefined;
  readonly check_interval: number;
}

/** In bytes. */
function limitsOf(id: string, options: LimitOptions): { readonly hard: number; readonly soft: number } {
  const { limit, spike_limit, limit_percentage, spike_limit_percentage, check_interval } = options;
  const refuse = (reason: string): never => {
    throw new RangeError(`Cannot create "${id}": ${reason}`);
  };
  if (check_interval <= 0) refuse('check_interval must be above 0');
  if (limit !== undefined && spike_limit_percentage !== undefined) {
    refuse('spike_limit_percentage has no meaning beside limit; use spike_limit');
  }
  const available = limit === undefined ? availableMemory() : 0;
  const hard = limit ?? (available * limit_percentage) / 100;
  const ofPercentage = spike_limit_percentage === undefined ? hard / 5 : (available * spike_limit_percentage) / 100;
  const spike = spike_limit ?? ofPercentage;
  if (hard <= 0) refuse('the limit must be above 0');
  if (spike >= hard) refuse(`a spike limit of ${mebibytes(spike)} is not below the limit of ${mebibytes(hard)}`);
  return { hard, soft: hard - spike };
}

function availableMemory(): number {
  const total = process.getBuiltinModule('node:os').totalmem();
  return Math.min(total, readMemoryLimit((path) => readFileSync(path, 'utf8')) ?? Infinity);
}

function garbageCollector(): () => void {
  if (globalThis.gc !== undefined) return globalThis.gc;
  // V8 shows its collector only to contexts made after the flag is set.
  process.getBuiltinModule('node:v8').setFlagsFromString('--expose-gc');
  return process.getBuiltinModule('node:vm').runInNewContext('gc') as () => void;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
