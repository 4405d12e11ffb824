/** The series that groups of rules make, minute by minute, against Prometheus' own rule engine (promtool test rules). */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAsk } from '../../processors/alert_rules/asking.ts';
import type { GroupOptions, Surroundings } from '../../src/rules/evaluation.ts';
import { createGroup } from '../../src/rules/group.ts';
import { readRules } from '../../src/rules/rule_file.ts';
import { RULE_FILE_CHECKS } from '../../src/rules/sources.ts';
import { createStore } from '../../src/store/series_store.ts';
import { labelsText } from '../../src/promql/labels.ts';
import { load } from '../support/queryable.ts';
import { program } from './servers.ts';

const MINUTE = 60_000;
const LAST = 90;

/** Mulberry32: the same histories at every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Runs of values, some above 5, with gaps and ends. */
function history(next: () => number): string {
  const values: string[] = [];
  while (values.length <= LAST) {
    const length = 1 + Math.floor(next() * 12);
    const kind = next();
    const value = kind < 0.1 ? '_' : kind < 0.2 ? 'stale' : String(Math.floor(next() * 10));
    for (let index = 0; index < length; index++) values.push(value);
  }
  return values.slice(0, LAST + 1).join(' ');
}

/** promtool evaluates every group at every minute and without offsets, and ends at the first error: so none of these is here. */
const RULES = `
groups:
  - name: first
    labels: { team: infra }
    rules:
      - { record: 'job:m:sum', expr: 'sum by (job) (m)', labels: { from: rules } }
      - { record: 'high', expr: 'm > 5' }
      - { alert: AtOnce, expr: 'm > 5' }
      - { alert: Waits, expr: 'm > 5', for: 3m, labels: { severity: '{{ if gt $value 7.0 }}critical{{ else }}warning{{ end }}' } }
      - { alert: Keeps, expr: 'm > 6', keep_firing_for: 4m }
      - { alert: WaitsAndKeeps, expr: 'm > 4', for: 2m, keep_firing_for: 3m }
      - { alert: OfRecorded, expr: 'job:m:sum > 12', for: 1m }
      - { alert: Gone, expr: 'absent(m{i="0"})', for: 1m }
      - { alert: Rate, expr: 'rate(c[5m]) > 0.05', for: 2m }
      - { alert: OfAlerts, expr: 'count(ALERTS{alertstate="firing"}) > 6' }
  - name: limited
    limit: 100
    rules:
      - { alert: Limited, expr: 'm > 5', for: 1m }
      - { record: 'few', expr: 'm > 6' }
`;

const SHOWN = '{__name__=~"ALERTS|ALERTS_FOR_STATE|job:m:sum|high|few"}';

test.each([1, 2, 3])('groups of rules make what Prometheus makes of history %i', async (seed) => {
  const next = random(seed);
  const lines = [0, 1, 2, 3, 4].map((index) => `m{i="${index}",job="j${index % 2}"} ${history(next)}`);
  lines.push(
    `c{i="0"} ${Array.from({ length: LAST + 1 }, (_, index) => Math.floor(index * index * next())).join(' ')}`,
  );
  const wanted = await prometheus(lines);
  expect(Object.keys(wanted).length).toBeGreaterThan(80);
  expect(ours(lines)).toEqual(wanted);
});

function ours(lines: readonly string[]): Record<number, string[]> {
  let now_ms = 0;
  const store = createStore({
    retention_ms: 4 * 60 * MINUTE,
    max_bytes: 2 ** 24,
    max_series: 1000,
    log: { info() {}, warn() {}, error() {}, once() {}, over() {} },
    now_ms: () => now_ms,
  });
  const ask = createAsk(store, 5 * MINUTE, {});
  const around: Surroundings = {
    query: ask,
    append: ({ labels, time_ms, value }) => store.append(labels, time_ms, value),
    monotonic_ms: () => 0,
  };
  const options: GroupOptions = {
    interval_ms: MINUTE,
    queryOffset_ms: 0,
    externalLabels: new Map(),
    externalURL: '',
    resendDelay_ms: MINUTE,
    maxAlerts: 1000,
    ruleTime_ms: 1000,
  };
  const groups = readRules(RULES, 'rules.yml', RULE_FILE_CHECKS).groups.map((group) => createGroup(group, options));
  const { series } = load(lines.join('\n'), { interval_ms: MINUTE });
  const seen: Record<number, string[]> = {};
  for (let minute = 0; minute <= LAST; minute++) {
    now_ms = minute * MINUTE;
    for (const { labels, times, values, stale } of series) {
      const at = times.indexOf(now_ms);
      if (at !== -1) store.append(labels, now_ms, stale[at] === true ? 'stale' : values[at]!);
    }
    for (const group of groups) if (now_ms % group.interval_ms === 0) group.evaluate(now_ms, around);
    const rows = ask(SHOWN, now_ms).map(({ labels, value }) => `${labelsText(labels)} ${value}`);
    if (rows.length > 0) seen[minute] = rows.toSorted();
  }
  return seen;
}

async function prometheus(lines: readonly string[]): Promise<Record<number, string[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  try {
    const input_series = lines.map((line) => {
      const end = line.indexOf('} ') + 1;
      return { series: line.slice(0, end), values: line.slice(end + 1) };
    });
    // Nothing is what every minute expects, so that promtool says what there was instead.
    const promql_expr_test = Array.from({ length: LAST + 1 }, (_, minute) => ({
      expr: SHOWN,
      eval_time: `${minute}m`,
    }));
    const tests = [{ interval: '1m', input_series, promql_expr_test }];
    // Left out, it would be another one each time, and rules here look at those of other groups.
    const group_eval_order = Array.from(RULES.matchAll(/- name: (\w+)/g), ([, name]) => name);
    writeFileSync(join(folder, 'rules.yml'), RULES);
    writeFileSync(
      join(folder, 'tests.yml'),
      JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', group_eval_order, tests }),
    );
    return read(await output(await program('promtool'), ['test', 'rules', join(folder, 'tests.yml')]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** `expr: "…", time: 1h2m,` and then `got: {…} 1E+00, {…} 6E+01`, for each minute with anything. */
function read(printed: string): Record<number, string[]> {
  const seen: Record<number, string[]> = {};
  for (const [, time, got] of printed.matchAll(/, time: (\S+),\s*exp: nil\s*got: (.*)/g)) {
    const [, hours = '0', minutes = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?/.exec(time!)!;
    const rows = [...got!.matchAll(/(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}) ([^,\s]+)/g)];
    seen[Number(hours) * 60 + Number(minutes)] = rows
      .map(([, labels, value]) => `${labels} ${Number(value)}`)
      .toSorted();
  }
  return seen;
}

/** It fails, as no minute is as it expects. */
function output(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, args, { maxBuffer: 2 ** 26 }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}
