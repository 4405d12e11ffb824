/** Rules of other forms than Prometheus' in whole agents. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { expect, onTestFinished, test } from 'vitest';
import alertRules from '../../../processors/alert_rules/index.ts';
import alerts from '../../../receivers/alerts/index.ts';
import { createStage, makeAgent, type Definitions } from '../../support/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { metric, metricBatch, series } from '../../support/processor.ts';

test('alert_rules evaluates thresholds with hysteresis, and rules of Drools, on what passes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'rules.drl'),
    'rule "Hot" when $m : Metric(name == "level", value > 70) then alert("drools says " + $m.value); end',
  );
  const stage = createStage();
  const definitions: Definitions = {
    receivers: [...stage.receivers, alerts],
    processors: [...stage.processors, alertRules],
    exporters: stage.exporters,
  };
  const { agent } = makeAgent(
    {
      receivers: { pushed: {}, alerts: {} },
      processors: {
        alert_rules: {
          rule_files: [join(folder, '*.drl')],
          thresholds: [
            {
              name: 'High',
              metric: 'level',
              above: 50,
              clear_below: 40,
              severity: 'critical',
              annotations: { summary: 'level is {{ $value }}' },
            },
          ],
          state_file: join(folder, 'alerts.json'),
          evaluation_interval: '20ms',
        },
      },
      exporters: { sink: {}, 'sink/logs': {} },
      pipelines: {
        metrics: { receivers: ['pushed'], processors: ['alert_rules'], exporters: ['sink'] },
        logs: { receivers: ['alerts'], exporters: ['sink/logs'] },
      },
    },
    definitions,
  );
  await agent.start();
  const layout = [series(metric('level', { kind: 'gauge', unit: '', valueType: 'double' }))];
  const push = (value: number): Promise<void> =>
    Promise.resolve(
      stage.pushed.get('pushed')!.next.metrics!.consume(
        metricBatch(layout, [value], {
          time: BigInt(Date.now()) * 1_000_000n,
          collection: { receiver: 'pushed', onDemand: false },
        }),
      ),
    );
  const said = (): string[] => stage.arrived.get('sink/logs') ?? [];
  const until = (expected: readonly string[]): Promise<void> =>
    eventually(() => expect(said().toSorted()).toEqual(expected.toSorted()));
  const fired = ['Alert High fires: level is 80', 'Alert Hot fires: drools says 80'];
  await push(80);
  await until(fired);
  // Between its limits the threshold goes on; the other has only one.
  await push(45);
  await until([...fired, expect.stringMatching(/^Alert Hot is resolved/) as string]);
  await push(39);
  await eventually(() => expect(said().filter((text) => /resolved/.test(text))).toHaveLength(2));
  await agent.stop();
});

test('alert_rules wants rules, and says what is wrong with thresholds', () => {
  const check = (written: object) => alertRules.check!(v.parse(alertRules.config, written));
  expect(check({})).toMatchObject([
    { message: expect.stringContaining('neither rule_files nor thresholds') as string },
  ]);
  expect(check({ thresholds: [{ metric: 'a', above: 1 }] })).toEqual([]);
  const far = { thresholds: [{ name: 'Far', metric: 'a', above: 1, window: '3d' }] };
  expect(check(far)).toMatchObject([{ message: expect.stringContaining('Cannot use rule "Far"') as string }]);
});
