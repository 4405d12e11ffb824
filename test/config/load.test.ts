import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Secret } from '../../src/config/options.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/errors.ts';
import { DEFAULT, faultsOf, folderOf, load, PIPELINE } from './folder.ts';
import { registry } from './registry.ts';

describe('loadConfig', () => {
  it('gives components their defaults, durations in milliseconds and secrets wrapped', () => {
    const loaded = load(
      `receivers:\n  cpu: { timeout: 1m30s }\n  cpu/b:\nexporters:\n  otlp: { headers: { api-key: k1 } }
service: { pipelines: { metrics: { receivers: [cpu, cpu/b], exporters: [otlp] } } }`,
    );
    const cpu = loaded.receivers.get('cpu')!;
    expect(cpu).toMatchObject({ id: 'cpu', type: 'cpu', config: { per_core: true, timeout: 90_000, depth: 3 } });
    expect(cpu.raw).toEqual({ timeout: '1m30s' });
    expect(loaded.receivers.get('cpu/b')!.definition).toBe(cpu.definition);
    const { headers } = loaded.exporters.get('otlp')!.config as { headers: Record<string, Secret> };
    expect(headers['api-key']!.reveal()).toBe('k1');
    expect(JSON.stringify(loaded.exporters.get('otlp')!.config)).not.toContain('k1');
    expect(loaded.pipelines.get('metrics')).toMatchObject({
      signal: 'metrics',
      receivers: ['cpu', 'cpu/b'],
      processors: [],
      exporters: ['otlp'],
    });
    expect(loaded.warnings).toEqual([]);
  });

  it('gives the agent its defaults', () => {
    expect(load(DEFAULT).agent).toEqual({
      root_path: '/',
      collection_interval: 15_000,
      budget: { cpu: undefined, memory: undefined },
      log: { level: 'info', format: 'auto' },
      shutdown_timeout: 10_000,
      startup_timeout: 30_000,
      instance_id: undefined,
    });
  });

  it('reads the budget as a share of a processor and as bytes', () => {
    const text = `agent: { budget: { cpu: 2.5%, memory: 150MiB } }\n${DEFAULT}`;
    expect(load(text).agent.budget).toEqual({ cpu: 0.025, memory: 150 * 2 ** 20 });
    const env = { SONDE_BUDGET_CPU: '10%' };
    expect(load(text, { env, args: ['--budget-memory=1GiB'] }).agent.budget).toEqual({ cpu: 0.1, memory: 2 ** 30 });
    for (const wrong of ['cpu: 5', 'cpu: 0%', 'cpu: five', 'memory: 0', 'memory: much']) {
      expect(() => load(`agent: { budget: { ${wrong} } }\n${DEFAULT}`), wrong).toThrow(/Cannot use agent\.budget/);
    }
  });

  it('lets arguments win over the environment, and that over files', () => {
    const text = `agent: { root_path: /file, instance_id: file, log: { level: error } }\n${DEFAULT}`;
    const env = { SONDE_ROOT_PATH: '/env', SONDE_INSTANCE_ID: 'env', SONDE_LOG_LEVEL: '' };
    const { agent } = load(text, { env, args: ['--root-path=/arg', '--shutdown-timeout', '3s'] });
    expect(agent).toMatchObject({ root_path: '/arg', instance_id: 'env', log: { level: 'error' } });
    expect(agent.shutdown_timeout).toBe(3000);
  });

  it('does not read the arguments or the environment of the process', () => {
    process.env['SONDE_LOG_LEVEL'] = 'error';
    process.argv.push('--log-format=json');
    try {
      expect(load(DEFAULT).agent.log).toEqual({ level: 'info', format: 'auto' });
    } finally {
      delete process.env['SONDE_LOG_LEVEL'];
      process.argv.pop();
    }
  });

  it('uses the default configuration where no file is named, and where the files are empty', () => {
    expect([...load([]).pipelines.keys()]).toEqual(['metrics']);
    const loaded = load(['# nothing\n', '']);
    expect([...loaded.pipelines.keys()]).toEqual(['metrics']);
    expect(loaded.warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('the default configuration'),
    ]);
  });

  it('reads JSON, tabs and all', () => {
    const text =
      '{\n\t"receivers": { "cpu": { "depth": 5 } },\n\t"exporters": { "prometheus": {} },\n\t"service": {\n\t\t"pipelines": { "metrics": { "receivers": ["cpu"], "exporters": ["prometheus"] } } } }';
    const folder = folderOf({ 'sonde.json': text });
    const loaded = loadConfig({ files: [join(folder, 'sonde.json')], env: {}, registry });
    expect(loaded.receivers.get('cpu')!.config).toMatchObject({ depth: 5 });
  });

  it('finds the overlay of an environment beside the files', () => {
    const folder = folderOf({ 'sonde.yaml': DEFAULT, 'edge.json': '{"agent": {"collection_interval": "1m"}}' });
    const files = [join(folder, 'sonde.yaml')];
    const loaded = loadConfig({ files, environment: 'edge', env: {}, registry });
    expect(loaded.agent.collection_interval).toBe(60_000);
    expect(loaded.files).toEqual([...files, join(folder, 'edge.json')]);
  });

  it('takes --set last, as YAML', () => {
    const sets = [
      'receivers.cpu={ depth: 2, exclude: [a] }',
      'receivers.cpu.exclude=[b]',
      'resource.attributes."a.b"=7',
    ];
    const loaded = load(`receivers:\n  cpu: { exclude: [x, y], per_core: false }${PIPELINE}`, { sets });
    expect(loaded.receivers.get('cpu')!.config).toMatchObject({ depth: 2, exclude: ['b'], per_core: true });
    expect(loaded.resource.attributes).toEqual({ 'a.b': 7 });
  });

  it('removes with --set what it sets to null', () => {
    expect(faultsOf(DEFAULT, { sets: ['receivers.cpu=null'] })).toEqual([
      'Cannot use receiver "cpu" in pipeline metrics: it is not defined under receivers',
    ]);
  });

  it('reads references as the type that the option takes, and as text where it takes text', () => {
    const text = `receivers:
  cpu: { depth: "\${env:NUMBER}", per_core: "\${env:NO}", exclude: ["\${env:NUMBER}"], collection_interval: "\${env:N}s" }
exporters:
  sdk: { package: "\${env:NUMBER}", options: { count: 4, text: "\${env:NUMBER}" } }
service: { pipelines: { metrics: { receivers: [cpu], exporters: [sdk] } } }`;
    const loaded = load(text, { env: { NUMBER: '007', NO: 'false', N: '2' } });
    const expected = { depth: 7, per_core: false, exclude: ['007'], collection_interval: 2000 };
    expect(loaded.receivers.get('cpu')!.config).toMatchObject(expected);
    expect(loaded.exporters.get('sdk')!.config).toMatchObject({ package: '007', options: { count: 4, text: '007' } });
  });

  it('takes a section with nothing after its colon as one with defaults', () => {
    const text = `receivers:\n  otlp:\n    protocols:\n      http:${PIPELINE.replace('cpu', 'otlp')}`;
    expect(load(text).receivers.get('otlp')!.config).toMatchObject({
      protocols: { http: { endpoint: '127.0.0.1:4318' } },
    });
  });

  it('keeps substituted text from becoming structure', () => {
    const env = { VALUE: 'x }, cpu/evil: { depth: 1', MULTI: 'a: 1\nb: 2' };
    const text = `receivers: { cpu: { exclude: ["\${env:VALUE}", "\${env:MULTI}"] } }${PIPELINE}`;
    const loaded = load(text, { env });
    expect([...loaded.receivers.keys()]).toEqual(['cpu']);
    expect(loaded.receivers.get('cpu')!.config).toMatchObject({ exclude: [env.VALUE, env.MULTI] });
  });

  it('reports everything that is wrong, and where', () => {
    const error = (() => {
      try {
        return load(`receivers: { cpu: { depht: 1, mode: slow } }\nagent: { log: { level: x } }${PIPELINE}`);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(ConfigError);
    const { problems } = error as ConfigError;
    expect(problems.map(({ path, place }) => [path, place?.line, place?.column])).toEqual([
      ['receivers.cpu.depht', 1, 21],
      ['receivers.cpu.mode', 1, 37],
      ['agent.log.level', 2, 24],
    ]);
  });

  it('warns of secrets in a file that everyone may read', () => {
    const text = `receivers: { cpu: }\nexporters: { otlp: { headers: { a: secret } } }
service: { pipelines: { metrics: { receivers: [cpu], exporters: [otlp] } } }`;
    expect(load(text).warnings).toEqual([]);
    const folder = folderOf({ 'open.yaml': text });
    const file = join(folder, 'open.yaml');
    chmodSync(file, 0o644);
    const [warning] = loadConfig({ files: [file], env: {}, registry }).warnings;
    expect(warning?.message).toBe(
      `Cannot keep the secrets in ${file}: everyone on this machine may read it (mode 644)`,
    );
  });

  it('leaves Object.prototype alone whatever the keys', () => {
    const keys = ['__proto__', 'constructor', 'prototype'];
    for (const key of keys) {
      expect(faultsOf(`resource: { attributes: { ${key}: { polluted: 1 } } }\n${DEFAULT}`)).toHaveLength(1);
      expect(faultsOf(DEFAULT, { env: { OTEL_RESOURCE_ATTRIBUTES: `${key}=1` } })).toEqual([]);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
