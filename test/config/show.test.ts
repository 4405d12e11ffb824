import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { diffConfig, formatDiff, showConfig } from '../../src/config/show.ts';
import { load, PIPELINE } from './folder.ts';

const TEXT = `agent: { root_path: "\${env:ROOT}" }
receivers:
  cpu: { timeout: 5s }
  otlp:
    protocols:
      http:
exporters:
  otlp:
    endpoint: https://user:hunter2@back.end
    headers: { api-key: hunter2 }
  sdk:
    package: x
    options: { apiKey: hunter2, region: eu }
service:
  pipelines:
    metrics: { receivers: [cpu, otlp], exporters: [otlp, sdk] }
`;
const ENV = { ROOT: '/hostfs' };

describe('showConfig', () => {
  it('shows defaults and what was written, as YAML that loads to the same', () => {
    const loaded = load(TEXT, { env: ENV });
    const shown = showConfig(loaded);
    const config = parse(shown);
    expect(config.agent).toMatchObject({ root_path: '/hostfs', collection_interval: '15s', log: { level: 'info' } });
    expect(config.receivers.cpu).toMatchObject({ timeout: '5s', depth: 3, startup_error: 'fail' });
    expect(config.receivers.otlp.protocols).toEqual({ http: { endpoint: '127.0.0.1:4318', insecure: false } });
    expect(config.exporters.otlp.retry).toMatchObject({ initial: '1s', enabled: true });
    expect(config.service.pipelines.metrics.processors).toEqual([]);
    const again = load(showConfig(loaded).replaceAll('[REDACTED]', 'x'));
    expect(diffConfig(loaded, again).map(({ path }) => path)).toEqual([
      'exporters.otlp.endpoint',
      'exporters.otlp.headers.api-key',
      'exporters.sdk.options.apiKey',
    ]);
  });

  it.each([{}, { origin: true }, { format: 'json' as const }, { format: 'json' as const, origin: true }])(
    'never shows secrets: %j',
    (options) => {
      const shown = showConfig(load(TEXT, { env: ENV }), options);
      expect(shown).not.toContain('hunter2');
      expect(shown).toContain('https://[REDACTED]@back.end');
      expect(shown).toContain('eu');
      expect(shown).toContain('/hostfs');
    },
  );

  it('hides with redacted what came from a variable', () => {
    const shown = parse(showConfig(load(TEXT, { env: ENV }), { redacted: true }));
    expect(shown.agent.root_path).toBe('[REDACTED]');
    expect(shown.receivers.cpu.timeout).toBe('5s');
  });

  it('says of each value where it came from', () => {
    const env = { ...ENV, SONDE_LOG_LEVEL: 'debug', OTEL_SERVICE_NAME: 'shop' };
    const shown = showConfig(load(TEXT, { env, sets: ['receivers.cpu.depth=1'] }), { origin: true });
    const originOf = (text: string): string | undefined => new RegExp(`${text} # (.*)`).exec(shown)?.[1];
    expect(originOf('timeout: 5s')).toMatch(/0\.yaml:3:19$/);
    expect(originOf('root_path: /hostfs')).toMatch(/0\.yaml:1:21 \$\{env:ROOT\}$/);
    expect(originOf('level: debug')).toBe('environment variable SONDE_LOG_LEVEL');
    expect(originOf('service.name: shop')).toBe('environment variable OTEL_SERVICE_NAME');
    expect(originOf('depth: 1')).toBe('argument --set receivers.cpu.depth');
    expect(originOf('per_core: true')).toBe('default');
  });

  it('gives machines the origins by path', () => {
    const shown = JSON.parse(showConfig(load(TEXT, { env: ENV }), { origin: true, format: 'json' }));
    expect(shown.origins['receivers.cpu.timeout']).toMatch(/0\.yaml:3:19$/);
    expect(shown.config.receivers.cpu.timeout).toBe('5s');
  });
});

describe('diffConfig', () => {
  it('compares what takes effect, value by value', () => {
    const before = load(
      `receivers: { cpu: { depth: 3 , exclude: [a] }, cpu/old: }${PIPELINE.replace('cpu]', 'cpu, cpu/old]')}`,
    );
    const after = load(`receivers: { cpu: { timeout: 2s, exclude: [a, b] } }${PIPELINE}`, {
      sets: ['agent.instance_id=x'],
    });
    const lines = formatDiff(diffConfig(before, after)).split('\n');
    expect(lines.filter((line) => !line.includes('cpu/old.'))).toEqual([
      '+ agent.instance_id: "x"',
      '~ receivers.cpu.exclude: ["a"] → ["a","b"]',
      '+ receivers.cpu.timeout: "2s"',
      '~ service.pipelines.metrics.receivers: ["cpu","cpu/old"] → ["cpu"]',
      '',
    ]);
    expect(lines.filter((line) => line.startsWith('- receivers.cpu/old.'))).not.toEqual([]);
  });

  it('finds no difference between equal configurations, however they are written', () => {
    const long = load(`receivers: { cpu: { depth: 3, metrics: {} } }${PIPELINE}`);
    expect(diffConfig(long, load(`receivers:\n  cpu:${PIPELINE}`))).toEqual([]);
    expect(formatDiff([])).toBe('');
  });

  it('tells that a secret differs, not what it is', () => {
    const other = load(TEXT.replace('api-key: hunter2', 'api-key: hunter3'), { env: ENV });
    const differences = diffConfig(load(TEXT, { env: ENV }), other);
    expect(formatDiff(differences)).toBe('~ exporters.otlp.headers.api-key: "[REDACTED]" → "[REDACTED]"\n');
    expect(formatDiff(differences, { origin: true })).toMatch(/0\.yaml:10:25 → .*0\.yaml:10:25\)\n$/);
  });
});
