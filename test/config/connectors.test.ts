/** Connectors stand among the exporters of one pipeline and the receivers of another. */
import { expect, test } from 'vitest';
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { faultsOf, load } from './folder.ts';
import { registry as components } from './registry.ts';

const joined = defineReceiver({
  type: 'joined',
  about: 'Makes metrics of logs.',
  takes: ['logs'],
  config: v.strictObject({}),
  create: () => ({}),
});
const registry = { ...components, receivers: [...components.receivers, joined] };

const text = (pipelines: string, receivers = 'joined: {}') => `
receivers: { cpu: {}, otlp: { protocols: { http: {} } }, ${receivers} }
exporters: { prometheus: {}, otlp: {} }
service: { pipelines: { ${pipelines} } }
`;

test('a connector ends one pipeline and begins another', () => {
  const config = text(
    'logs: { receivers: [otlp], exporters: [joined, otlp] }, metrics: { receivers: [cpu, joined], exporters: [otlp] }',
  );
  const { pipelines, warnings } = load(config, { registry });
  expect(pipelines.get('logs')!.exporters).toEqual(['joined', 'otlp']);
  expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining('prometheus')]);
});

test.each([
  [
    'logs: { receivers: [otlp], exporters: [joined] }',
    ['Cannot use "joined" in pipeline logs: no pipeline has it as receiver'],
  ],
  [
    'metrics: { receivers: [joined], exporters: [joined] }',
    ['Cannot use exporter "joined" in pipeline metrics: it takes no metrics'],
  ],
  [
    'logs: { receivers: [otlp], exporters: [cpu] }',
    ['Cannot use exporter "cpu" in pipeline logs: it is not defined under exporters'],
  ],
  [
    'logs: { receivers: [joined], exporters: [otlp] }',
    ['Cannot use receiver "joined" in pipeline logs: it takes no logs'],
  ],
  [
    'logs: { receivers: [otlp], exporters: [joined/b] }, metrics: { receivers: [joined], exporters: [otlp] }',
    ['Cannot use exporter "joined/b" in pipeline logs: it is not defined under exporters'],
  ],
])('%s is refused', (pipelines, faults) => {
  expect(faultsOf(text(pipelines), { registry })).toEqual(faults);
});

test('an exporter of no known type is taken for no connector', () => {
  const config = `
receivers: { cpu: {} }
exporters: { otlp_http: {} }
service: { pipelines: { metrics: { receivers: [cpu], exporters: [otlp_http] } } }
`;
  expect(faultsOf(config, { registry })).toEqual([
    'Cannot use exporter "otlp_http": there is no exporter type "otlp_http"',
  ]);
});

test('a connector that no pipeline ends in is said to count nothing', () => {
  const { warnings } = load(text('metrics: { receivers: [cpu, joined], exporters: [otlp] }'), { registry });
  expect(warnings.map(({ message }) => message)).toContain(
    'Cannot give receiver "joined" anything: no pipeline names it among its exporters',
  );
});
