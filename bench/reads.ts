/**
 * All reads and parsing of one collection against a C program that makes the same system calls and throws the bytes
 * away. Each receiver runs with its default configuration; what it asks of the host is recorded once and replayed in C.
 * Usage: node bench/reads.ts [rounds a turn] [pause between rounds, µs]
 */
import { execFileSync } from 'node:child_process';
import { promises, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import type {
  AnyReceiverDefinition,
  BatchObservableResult,
  CommonReceiverConfig,
  Host,
  ReceiverContext,
} from '../src/component.ts';
import { ObservableMeter } from '../src/otel/meter.ts';
import { createTimeLimit } from '../src/time_limit.ts';
import { createHost } from '../src/procfs/host.ts';
import { createLog } from '../src/telemetry/log.ts';
import { receivers } from '../receivers/index.ts';
import { median, table } from './measure.ts';

const [rounds = 200, pause_us = 0] = process.argv.slice(2).map(Number);
const TURNS = 9;
const folder = mkdtempSync(join(tmpdir(), 'sonde-bench-'));
const floor = join(folder, 'reads');
execFileSync('cc', ['-O2', '-o', floor, join(import.meta.dirname, 'floor/reads.c')]);

/** What a host is asked for, as lines for the C program. */
function recording(host: Host, operations: string[]): Host {
  const note = (kind: string, path: string): void => void operations.push(`${kind} ${host.resolve(path)}`);
  return {
    ...host,
    read: (path) => (note('r', path), host.read(path)),
    readOnce: (path) => (note('o', path), host.readOnce(path)),
    readText: (path) => (note('o', path), host.readText(path)),
    list: (path) => (note('l', path), host.list(path)),
  };
}

const log = createLog({ level: 'error', format: 'text', hasColor: false, write: () => {} });
const limit = createTimeLimit();
const resource = { attributes: {}, schemaUrl: '' };

/** A function that lets one receiver collect once. */
async function prepare(definition: AnyReceiverDefinition, host: Host): Promise<() => Promise<void>> {
  const config = v.parse(definition.config, {}) as CommonReceiverConfig;
  const meter = new ObservableMeter({
    resource,
    scope: { name: definition.type, version: '', attributes: {}, schemaUrl: '' },
    bootTime: 1n,
    agentStartTime: 1n,
  });
  const metrics = Object.fromEntries(
    Object.entries(definition.metrics).map(([key, metric]) => [key, meter.declare(metric)]),
  );
  const context: Partial<ReceiverContext<unknown, typeof definition.metrics>> = {
    id: definition.type,
    config,
    host,
    metrics,
    meter,
    resource,
    log: log.forComponent(definition.type),
    drop: () => {},
    isEnabled: (key) => metrics[key]?.isEnabled ?? false,
  };
  const instance = definition.create(context as ReceiverContext<unknown, typeof definition.metrics>);
  await instance.start?.();
  meter.addBatchObservableCallback((observer: BatchObservableResult) => instance.collect!(observer, limit));
  return async () => void (await meter.collect({ time: 1n, receiver: definition.type, onDemand: false, limit }));
}

async function cpu_us(collect: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round++) {
    await collect();
    if (pause_us > 0) await new Promise((resolve) => setTimeout(resolve, pause_us / 1000));
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / rounds;
}

const rows: (string | number)[][] = [['receiver', 'calls', 'Sonde', 'C', 'ratio']];
const everything: string[] = [];
const collectAll: (() => Promise<void>)[] = [];
for (const definition of receivers) {
  if (definition.type === 'self' || definition.type === 'otlp') continue;
  const operations: string[] = [];
  const statfs = promises.statfs;
  promises.statfs = ((path: string, ...rest: []) => (
    operations.push(`s ${path}`),
    statfs(path, ...rest)
  )) as typeof statfs;
  const host = createHost();
  const first = await prepare(definition, recording(host, operations));
  await first();
  operations.length = 0;
  await first();
  promises.statfs = statfs;
  everything.push(...operations);
  const collect = await prepare(definition, host);
  collectAll.push(collect);
  rows.push(await compare(definition.type, operations, collect));
}
rows.push(
  await compare('all', everything, async () => {
    for (const collect of collectAll) await collect();
  }),
);
console.log(`## Reads of one collection against C, ${rounds} rounds a turn, pause ${pause_us} µs\n`);
console.log(table(rows));
rmSync(folder, { recursive: true });

async function compare(name: string, operations: readonly string[], collect: () => Promise<void>) {
  const file = join(folder, 'operations');
  writeFileSync(file, `${operations.join('\n')}\n`);
  await cpu_us(collect);
  const samples: [number, number][] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const ours = await cpu_us(collect);
    samples.push([ours, Number(execFileSync(floor, [file, String(rounds), String(pause_us)], { encoding: 'utf8' }))]);
  }
  const ratio = median(samples.map(([ours, theirs]) => ours / theirs));
  const shown = (side: 0 | 1): string => `${median(samples.map((sample) => sample[side])).toFixed(1)} µs`;
  return [name, operations.length, shown(0), shown(1), ratio.toFixed(2)];
}
