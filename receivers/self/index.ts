import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { duration, option } from '../../src/config/options.ts';
import { componentMetrics, createComponents } from './components.ts';
import { createEventLoop, eventLoopMetrics } from './event_loop.ts';
import { createPipelines, pipelineMetrics } from './pipelines.ts';
import { createProcess, processMetrics } from './process.ts';

const DELAYS = [
  ...(['delayMin', 'delayMax', 'delayMean', 'delayStddev'] as const),
  ...(['delayP50', 'delayP90', 'delayP99'] as const),
];

export default defineReceiver({
  type: 'self',
  about:
    'Reports on the agent itself: its process, its event loop, and what each component and pipeline took, sent and dropped.',
  config: v.strictObject({
    event_loop_resolution: option(
      v.pipe(duration(), v.minValue(1, 'a duration of at least 1ms'), v.transform(Math.round)),
      'How often the event loop’s delay is sampled; hold-ups shorter than this may be missed, and each sample costs CPU.',
      '1s',
    ),
  }),
  metrics: { ...processMetrics, ...eventLoopMetrics, ...componentMetrics, ...pipelineMetrics },
  sources: ['/proc/self/task', '/proc/self/fd'],
  create(context) {
    const { config, host, log, metrics, isEnabled } = context;
    const process = createProcess(metrics, host, log);
    const eventLoop = createEventLoop(metrics, config.event_loop_resolution, DELAYS.some(isEnabled));
    const components = createComponents(metrics);
    const pipelines = createPipelines(metrics);
    return {
      start: () => eventLoop.start(),
      stop: () => eventLoop.stop(),
      collect(observer) {
        process.observe(observer);
        eventLoop.observe(observer);
        // Read anew each time: a reload changes the components.
        const { agent } = context;
        components.observe(observer, agent);
        pipelines.observe(observer, agent);
      },
    };
  },
});
