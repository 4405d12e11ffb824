/** The processor in whole agents: rules on what passes, through reloads and restarts. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { describe, expect, onTestFinished, test } from 'vitest';
import alertRules from '../../../processors/alert_rules/index.ts';
import alerts from '../../../receivers/alerts/index.ts';
import type { PipelineBooks } from '../../../src/component.ts';
import { ConfigError } from '../../../src/errors.ts';
import type { MetricBatch } from '../../../src/model/batch.ts';
import { createStage, makeAgent, type AgentRun, type Definitions, type WrittenConfig } from '../../support/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { metric, metricBatch, runProcessor, series } from '../../support/processor.ts';

const HIGH = (threshold: number, more = ''): string => `
groups:
  - name: g
    rules:
      - record: doubled
        expr: level * 2
      - alert: High
        expr: doubled > ${threshold}
        labels: { severity: critical }
        annotations: { summary: 'doubled is {{ $value }}' }
${more}`;

function folderOf(rules: string): { rules: string; state: string; write(text: string): void } {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'rules.yaml');
  const write = (text: string): void => writeFileSync(path, text);
  write(rules);
  return { rules: path, state: join(folder, 'alerts.json'), write };
}

function configOf(folder: ReturnType<typeof folderOf>): WrittenConfig {
  return {
    receivers: { pushed: {}, alerts: {} },
    processors: {
      alert_rules: { rule_files: [folder.rules], state_file: folder.state, evaluation_interval: '20ms' },
    },
    exporters: { sink: {}, 'sink/logs': {}, window: {} },
    pipelines: {
      metrics: { receivers: ['pushed'], processors: ['alert_rules'], exporters: ['sink', 'window'] },
      logs: { receivers: ['alerts'], exporters: ['sink/logs'] },
    },
  };
}

function stageOf() {
  const stage = createStage();
  const definitions: Definitions = {
    receivers: [...stage.receivers, alerts],
    processors: [...stage.processors, alertRules],
    exporters: stage.exporters,
  };
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
  return { ...stage, definitions, push };
}

const balance = ({ accepted, sent, gone, waiting, refused }: PipelineBooks) => ({
  left: accepted - sent - gone,
  waiting,
  refused,
});
const said = (stage: ReturnType<typeof stageOf>): string[] => stage.arrived.get('sink/logs') ?? [];
const lastCollection = (stage: ReturnType<typeof stageOf>): MetricBatch =>
  stage.seen.get('window')!.findLast((batch): batch is MetricBatch => {
    return batch.signal === 'metrics' && batch.collection?.receiver.startsWith('alert_rules') === true;
  })!;
const namesIn = (batch: MetricBatch): string[] => batch.series.map((one) => one.metric.name);

async function firing(run: AgentRun, stage: ReturnType<typeof stageOf>): Promise<void> {
  await run.agent.start();
  await stage.push(60);
  await eventually(() => expect(said(stage)).toEqual(['Alert High fires: doubled is 120']));
}

describe('alert_rules', () => {
  test('alert_rules hands on what passes, what it records and ALERTS, tells of alerts, and the books balance', async () => {
    const folder = folderOf(HIGH(100));
    const stage = stageOf();
    const run = makeAgent(configOf(folder), stage.definitions);
    await firing(run, stage);
    await eventually(() => expect(stage.arrived.get('sink')).toContain('ALERTS'));
    expect(stage.arrived.get('sink')).toEqual(
      expect.arrayContaining(['level', 'doubled', 'ALERTS', 'ALERTS_FOR_STATE']),
    );
    const batch = lastCollection(stage);
    const at = namesIn(batch).indexOf('ALERTS');
    expect(batch.series[at]!.attributes).toEqual({
      alertname: 'High',
      alertstate: 'firing',
      instance: 'test',
      severity: 'critical',
    });
    expect(batch.values[at]).toBe(1);
    // The layout is the same as long as the series are.
    await eventually(() => expect(lastCollection(stage)).not.toBe(batch));
    expect(lastCollection(stage).series).toBe(batch.series);
    await stage.push(10);
    await eventually(() => expect(said(stage)).toContain('Alert High is resolved: doubled is 120'));
    await eventually(() => expect(namesIn(lastCollection(stage))).toEqual(['doubled']));
    await run.agent.stop();
    const books = run.agent.figures().pipelines.map((pipeline) => balance(pipeline.books));
    expect(books).toEqual(books.map(() => ({ left: 0, waiting: 0, refused: 0 })));
    const { accepted, sent } = run.figures('alert_rules');
    expect(accepted).toBe(sent);
    expect(accepted).toBeGreaterThan(10);
  });

  test('alert_rules takes changed rule files at a reload, and alerts go on', async () => {
    const folder = folderOf(HIGH(100));
    const stage = stageOf();
    const run = makeAgent(configOf(folder), stage.definitions);
    await firing(run, stage);
    const state = (): { groups: { rules: { alerts: { activeAt_ms: number }[] }[] }[] } =>
      JSON.parse(readFileSync(folder.state, 'utf8'));
    const activeAt_ms = state().groups[0]!.rules[0]!.alerts[0]!.activeAt_ms;
    expect((await run.reload(configOf(folder))).started).toEqual([]);
    folder.write(HIGH(110, '      - record: tripled\n        expr: level * 3\n'));
    expect((await run.reload(configOf(folder))).started).toEqual(['alert_rules']);
    // The history of the store went over: there was no new sample of level.
    await eventually(() => expect(namesIn(lastCollection(stage))).toContain('tripled'));
    expect(namesIn(lastCollection(stage))).toContain('ALERTS');
    // So it does where other series are selected.
    folder.write(HIGH(110, '      - record: fourfold\n        expr: level * 4 + (up or level * 0)\n'));
    await run.reload(configOf(folder));
    await eventually(() => expect(namesIn(lastCollection(stage))).toContain('fourfold'));
    folder.write(HIGH(200));
    await run.reload(configOf(folder));
    await eventually(() => expect(said(stage)).toHaveLength(2));
    expect(said(stage)).toEqual(['Alert High fires: doubled is 120', 'Alert High is resolved: doubled is 120']);
    await eventually(() => expect(namesIn(lastCollection(stage))).toEqual(['doubled']));
    await run.agent.stop();
    expect(state().groups[0]!.rules[0]!.alerts[0]!.activeAt_ms).toBe(activeAt_ms);
  });

  test('alert_rules tells nobody again of what fires when its rules are changed', async () => {
    const folder = folderOf(HIGH(100));
    const stage = stageOf();
    const told = `${folder.rules}.told`;
    const { processors, ...config } = configOf(folder);
    const written = {
      ...config,
      processors: {
        alert_rules: {
          ...processors!['alert_rules'],
          resend_delay: '20ms',
          notifiers: { file: { log: { path: told } } },
        },
      },
    };
    const run = makeAgent(written, stage.definitions);
    await firing(run, stage);
    const lines = (): string[] => readFileSync(told, 'utf8').trim().split('\n');
    await eventually(() => expect(lines()).toHaveLength(1));
    folder.write(HIGH(110, '      - { alert: Other, expr: vector(1) }\n'));
    expect((await run.reload(written)).started).toEqual(['alert_rules']);
    await eventually(() => expect(lines()).toHaveLength(2));
    await stage.push(10);
    await eventually(() => expect(lines()).toHaveLength(3));
    const names = lines().map((line) => JSON.parse(line) as { rule: string; state: string });
    expect(names.map(({ rule, state }) => `${rule} ${state}`)).toEqual([
      'High firing',
      'Other firing',
      'High resolved',
    ]);
  });

  test('alert_rules keeps the old rules where the new file is broken, and says what is wrong', async () => {
    const folder = folderOf(HIGH(100));
    const stage = stageOf();
    const run = makeAgent(configOf(folder), stage.definitions);
    await firing(run, stage);
    folder.write('groups:\n  - name: g\n    rules:\n      - alert: X\n        expr: sum(\n');
    await expect(run.reload(configOf(folder))).rejects.toThrow(ConfigError);
    await stage.push(10);
    await eventually(() => expect(said(stage)).toContain('Alert High is resolved: doubled is 120'));
  });

  test('alert_rules goes on with its alerts in the next process, without telling them again', async () => {
    const folder = folderOf(HIGH(100));
    const first = stageOf();
    const before = makeAgent(configOf(folder), first.definitions);
    await firing(before, first);
    // What a crash leaves is the file as it is now.
    const kept = readFileSync(folder.state, 'utf8');
    await before.agent.stop();
    writeFileSync(folder.state, kept);
    const second = stageOf();
    const after = makeAgent(configOf(folder), second.definitions);
    await after.agent.start();
    await eventually(() => expect(namesIn(lastCollection(second))).toContain('ALERTS'));
    await second.push(61);
    await eventually(() => expect(namesIn(lastCollection(second))).toContain('doubled'));
    await second.push(1);
    await eventually(() => expect(said(second)).toEqual(['Alert High is resolved: doubled is 122']));
  });

  test('alert_rules keeps the age of what is pending evaluation by evaluation, and what is pending no more no longer', async () => {
    const folder = folderOf(HIGH(100).replace('labels:', 'for: 1h\n        labels:'));
    const stage = stageOf();
    const { agent } = makeAgent(configOf(folder), stage.definitions);
    const kept = (): { at_ms: number; rules: { alerts: { state: string }[] }[] } =>
      JSON.parse(readFileSync(folder.state, 'utf8')).groups[0];
    await agent.start();
    await stage.push(60);
    await eventually(() => expect(kept().rules[0]!.alerts).toMatchObject([{ state: 'pending' }]));
    const { at_ms } = kept();
    await eventually(() => expect(kept().at_ms).toBeGreaterThan(at_ms));
    await stage.push(10);
    await eventually(() => expect(kept().rules).toEqual([]));
  });

  test('alert_rules judges on while the pipeline stands still', async () => {
    const folder = folderOf(HIGH(100));
    const run = runProcessor(alertRules, {
      rule_files: [folder.rules],
      state_file: folder.state,
      evaluation_interval: '20ms',
    });
    run.answer = (batch) =>
      batch.signal === 'metrics' && namesIn(batch).includes('doubled') ? new Promise(() => {}) : undefined;
    const level = [
      series(metric('level', { kind: 'gauge', unit: '' }), {}, { resource: { attributes: {}, schemaUrl: '' } }),
    ];
    await run.processor.start!();
    const push = (value: number) => run.consume(metricBatch(level, [value], { time: BigInt(Date.now()) * 1_000_000n }));
    await push(60);
    const state = (): string => readFileSync(folder.state, 'utf8');
    await eventually(() => expect(state()).toContain('"firing"'));
    await push(1);
    await eventually(() => expect(state()).toContain('"inactive"'));
    // It still hands on what passes.
    expect(run.metrics().filter((batch) => namesIn(batch).includes('level'))).toHaveLength(2);
    await run.processor.stop!();
  });
});

describe('a processor of which something is wrong', () => {
  const ofFolder = (folder: ReturnType<typeof folderOf>) => ({
    rule_files: [folder.rules],
    state_file: folder.state,
    evaluation_interval: '20ms',
  });

  test('alert_rules says that the state of alerts is damaged, sets it aside, and begins anew', async () => {
    const folder = folderOf(HIGH(100));
    writeFileSync(folder.state, '{"version":1,"groups":[{');
    const run = runProcessor(alertRules, ofFolder(folder));
    await run.processor.start!();
    expect(run.said).toEqual([
      'warn Cannot use the kept state of alerts: the file is damaged; it is set aside, and alerts begin anew',
    ]);
    await run.processor.stop!();
    expect(JSON.parse(readFileSync(folder.state, 'utf8'))).toMatchObject({ version: 1 });
  });

  test('alert_rules of two pipelines do not share a state file', async () => {
    const folder = folderOf(HIGH(100));
    const stage = stageOf();
    const config = configOf(folder);
    const run = makeAgent(
      {
        ...config,
        pipelines: {
          ...config.pipelines,
          'metrics/more': { receivers: ['pushed'], processors: ['alert_rules'], exporters: ['sink'] },
        },
      },
      stage.definitions,
    );
    await expect(run.agent.start()).rejects.toThrow(
      /Cannot keep alerts in ".*": those of metrics\/alert_rules are there/,
    );
  });

  test('alert_rules stops a rule that asks for too much, names it, and evaluates the others', async () => {
    const folder = folderOf(
      HIGH(
        100,
        '      - record: hostile\n        expr: sum_over_time((level * 2)[1d:1ms]) or vector(1)\n      - record: after\n        expr: level\n',
      ),
    );
    const run = runProcessor(alertRules, {
      ...ofFolder(folder),
      evaluation_interval: '50ms',
      limits: { time: '20ms' },
    });
    const level = [series(metric('level', { kind: 'gauge', unit: '' }))];
    await run.processor.start!();
    await run.consume(metricBatch(level, [60], { time: BigInt(Date.now()) * 1_000_000n }));
    await eventually(() =>
      expect(run.metrics().flatMap(namesIn)).toEqual(expect.arrayContaining(['doubled', 'ALERTS', 'after'])),
    );
    await run.processor.stop!();
    expect(run.said.find((line) => line.includes('hostile'))).toMatch(
      /Cannot evaluate rule "hostile" of group "g": .*limit/,
    );
  });
});

describe('options of alert_rules', () => {
  const problemsOf = (folder: ReturnType<typeof folderOf>, more: object = {}) =>
    alertRules.check!(v.parse(alertRules.config, { rule_files: [folder.rules], ...more }));

  test('check names file, line and problem of every rule that is wrong', () => {
    const folder = folderOf(
      HIGH(1, '      - alert: B\n        expr: sum(\n      - alert: C\n        for: x\n        expr: up\n'),
    );
    const problems = problemsOf(folder);
    expect(problems.map(({ place }) => [place?.file, place?.line])).toEqual([
      [folder.rules, 12],
      [folder.rules, 14],
    ]);
    expect(problems[0]!.message).toMatch(/^Cannot use rule 3 of group "g", "B": 1:\d: parse error: /);
  });

  test('check refuses a file that is not there, and takes a glob without files', () => {
    const folder = folderOf('');
    expect(problemsOf({ ...folder, rules: '/nowhere/rules.yaml' })).toMatchObject([
      { message: 'Cannot read the rule file "/nowhere/rules.yaml": there is no such file', path: 'rule_files' },
    ]);
    expect(problemsOf({ ...folder, rules: '/nowhere/*.yaml' })).toEqual([]);
  });

  test('check refuses what is no file of text, and waits for none; a relative path is shown in full', () => {
    const folder = folderOf('');
    const pipe = `${folder.rules}.pipe`;
    execFileSync('mkfifo', [pipe]);
    expect(problemsOf({ ...folder, rules: pipe })).toMatchObject([
      { message: `Cannot read the rule file "${pipe}": it is no ordinary file` },
    ]);
    expect(problemsOf({ ...folder, rules: '/dev/zero' })[0]!.message).toContain('it is no ordinary file');
    expect(problemsOf({ ...folder, rules: 'nowhere.yaml' })[0]!.message).toContain(`(${resolve('nowhere.yaml')})`);
    writeFileSync(folder.rules, Buffer.from([0xff, 0xfe, 0x00]));
    expect(problemsOf(folder)[0]!.message).toContain('it is not UTF-8 text');
  });

  test('create says that a glob has no files, and leaves folders out of it', () => {
    const folder = folderOf(HIGH(1));
    mkdirSync(join(folder.rules, '../more.yaml'));
    const run = (glob: string) => runProcessor(alertRules, { rule_files: [join(folder.rules, '..', glob)] });
    expect(run('*.yaml').said).toEqual([]);
    expect(run('*.yml').said).toEqual([expect.stringMatching(/^warn No file matches ".*\*\.yml" of rule_files/)]);
  });

  test('check refuses what can never fit', () => {
    const long = folderOf('groups: [{ name: g, rules: [{ record: r, expr: "rate(x[30d])" }] }]');
    expect(problemsOf(long)).toMatchObject([
      { message: 'Cannot use rule "r" of group "g": it looks back 30d, further than history.max_lookback' },
    ]);
    const history = { max_lookback: '60d', max_bytes: '64KiB' };
    expect(problemsOf(long, { history })).toMatchObject([
      { message: expect.stringContaining('more than history.max_bytes') as string },
    ]);
    expect(problemsOf(long, { history: { ...history, max_bytes: '64MiB' } })).toEqual([]);
  });

  test('fingerprint changes with the files', () => {
    const folder = folderOf(HIGH(1));
    const config = v.parse(alertRules.config, { rule_files: [folder.rules] });
    const before = alertRules.fingerprint!(config);
    expect(alertRules.fingerprint!(config)).toBe(before);
    folder.write(HIGH(2));
    expect(alertRules.fingerprint!(config)).not.toBe(before);
  });
});
