/** What alert rules set off elsewhere in an agent: bursts of receivers, and events at the exporter `stream`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import stream from '../../../exporters/stream.ts';
import alertRules from '../../../processors/alert_rules/index.ts';
import alerts from '../../../receivers/alerts/index.ts';
import memory from '../../../receivers/memory.ts';
import { createStage, makeAgent, type WrittenConfig } from '../../support/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { openEventStream } from '../../support/stream_clients.ts';

/** Rules over what the receiver `memory` reads from a captured machine. */
function rulesIn(folder: string, condition: string, wait: string): string {
  const path = join(folder, 'rules.yaml');
  const annotations = `{ summary: '{{ $labels.system_memory_state }} is {{ $value }}' }`;
  const rule = `{ alert: Used, expr: 'system_memory_usage_bytes{system_memory_state="used"} ${condition}', for: ${wait}, annotations: ${annotations} }`;
  writeFileSync(path, `groups: [{ name: g, rules: [${rule}] }]\n`);
  return path;
}

function start(condition: string, wait: string) {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const stage = createStage();
  const config: WrittenConfig = {
    receivers: { memory: { burst: { interval: '20ms', alerts: ['Used'] } }, alerts: {} },
    processors: {
      alert_rules: {
        rule_files: [rulesIn(folder, condition, wait)],
        state_file: join(folder, 'alerts.json'),
        evaluation_interval: '20ms',
      },
    },
    exporters: { sink: {}, stream: { endpoint: '127.0.0.1:0' } },
    pipelines: {
      metrics: { receivers: ['memory'], processors: ['alert_rules'], exporters: ['sink'] },
      logs: { receivers: ['alerts'], exporters: ['stream'] },
    },
  };
  const run = makeAgent(config, {
    receivers: [memory, alerts],
    processors: [alertRules],
    exporters: [...stage.exporters, stream],
  });
  const collected = (): number => stage.arrived.get('sink')!.filter((name) => name === 'system.memory.usage').length;
  return { ...run, config, folder, collected };
}

test('a receiver with burst collects fast while a rule is pending, and slowly when it is not any more', async () => {
  const { agent, config, folder, reload, figures, collected } = start('> 0', '1h');
  await agent.start();
  await eventually(() => expect(figures('memory')).toMatchObject({ bursts: 1, interval_s: 0.02 }));
  const before = collected();
  await eventually(() => expect(collected()).toBeGreaterThan(before + 20));
  rulesIn(folder, '< 0', '1h');
  await reload(config);
  await eventually(() => expect(figures('memory')).toMatchObject({ bursts: 1, interval_s: 3600 }));
});

test('a receiver with burst collects at its interval while no rule is pending', async () => {
  const { agent, figures, collected } = start('< 0', '0');
  await agent.start();
  await eventually(() => expect(collected()).toBeGreaterThan(0));
  const before = collected();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(figures('memory')).toMatchObject({ bursts: 0, interval_s: 3600 });
  expect(collected()).toBe(before);
});

test('an alert is an event at /events of the exporter stream', async () => {
  const { agent } = start('> 0', '100ms');
  await agent.start();
  const client = await openEventStream(`${agent.listening()[0]!}/events?since=1h`);
  onTestFinished(() => client.close());
  await client.until(({ frames }) => frames.some(({ type }) => type === 'alert.firing'));
  const events = client.frames.filter(({ frame }) => frame === 'event');
  expect(events).toMatchObject([{ type: 'alert.pending' }, { type: 'alert.firing' }]);
  expect(events[1]).toMatchObject({ body: expect.stringMatching(/^Alert Used fires: used is \d/) as string });
});
