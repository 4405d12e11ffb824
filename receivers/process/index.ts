import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { createElsewhere } from './elsewhere.ts';
import { createTracker } from './linux.ts';
import { metrics } from './metrics.ts';
import { options } from './options.ts';

export default defineReceiver({
  type: 'process',
  about:
    'Measures single processes, or groups of them: the first few by each of several measures, those that are pinned, and in one remainder all others, ended ones included.',
  config: v.strictObject(options),
  metrics,
  sources: [
    '/proc/[pid]/stat',
    '/proc/[pid]/status',
    '/proc/[pid]/io',
    '/proc/[pid]/fd',
    '/proc/[pid]/exe',
    '/proc/[pid]/cmdline',
    '/proc/[pid]/cgroup',
    '/proc/[pid]/smaps_rollup',
    '/proc/stat',
    '/proc/uptime',
    '/proc/vmstat',
    '/etc/passwd',
  ],
  permissions: [
    {
      needs: 'CAP_SYS_PTRACE',
      without:
        'I/O, PSS, path of the executable and, before Linux 6.2, open descriptors of other users’ processes; those processes at all where /proc is mounted with hidepid',
    },
  ],
  create({ config, host, log, metrics: instruments, isEnabled }) {
    if (!Object.keys(metrics).some((name) => isEnabled(name as keyof typeof metrics))) return { collect() {} };
    const options_ = { config, host, log, metrics: instruments, isEnabled };
    if (host.platform !== 'linux') return { collect: createElsewhere(options_) };
    const tracker = createTracker(options_);
    return { collect: (observer) => tracker.collect(observer), stop: () => tracker.stop() };
  },
});
