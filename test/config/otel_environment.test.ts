import { describe, expect, it } from 'vitest';
import type { LoadedConfig } from '../../src/config/load.ts';
import type { Secret } from '../../src/config/options.ts';
import { DEFAULT, load, PIPELINE } from './folder.ts';

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';

const exportersOf = (loaded: LoadedConfig, pipeline: string): readonly string[] =>
  loaded.pipelines.get(pipeline)!.exporters;
const configOf = (loaded: LoadedConfig, id: string): Record<string, unknown> =>
  loaded.exporters.get(id)!.config as Record<string, unknown>;
const headersOf = (loaded: LoadedConfig, id: string): Record<string, string> => {
  const { headers } = loaded.exporters.get(id)!.config as { headers: Record<string, Secret> };
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()]));
};

describe('OTEL_* variables with the default configuration', () => {
  it('send everything to OTEL_EXPORTER_OTLP_ENDPOINT, which alone is enough', () => {
    const loaded = load([], { env: { [ENDPOINT]: 'http://back.end:4318/base' } });
    expect(exportersOf(loaded, 'metrics')).toEqual(['prometheus', 'otlp']);
    expect(configOf(loaded, 'otlp')).toMatchObject({
      endpoint: 'http://back.end:4318/base',
      protocol: 'http/protobuf',
    });
    expect(loaded.warnings).toEqual([]);
  });

  it('set what the exporter that is added does', () => {
    const env = {
      [ENDPOINT]: 'https://back.end',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'GZIP',
      OTEL_EXPORTER_OTLP_TIMEOUT: '2500',
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20b%3D, x-tenant = t=1 ,',
      OTEL_EXPORTER_OTLP_CERTIFICATE: '/ca.pem',
      OTEL_EXPORTER_OTLP_CLIENT_KEY: '/client.key',
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: '/client.pem',
      OTEL_EXPORTER_OTLP_INSECURE: 'true',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'Delta',
    };
    const loaded = load([], { env });
    expect(configOf(loaded, 'otlp')).toMatchObject({
      protocol: 'grpc',
      compression: 'gzip',
      timeout: 2500,
      tls: { ca_file: '/ca.pem', key_file: '/client.key', cert_file: '/client.pem' },
      insecure: true,
      temporality: 'delta',
    });
    expect(headersOf(loaded, 'otlp')).toEqual({ 'api-key': 'a b=', 'x-tenant': 't=1' });
    expect(loaded.warnings).toEqual([]);
  });

  const defaultText = `receivers: { cpu: , otlp: { protocols: { http: } } }
exporters: { prometheus: , sdk: { package: x } }
service:
  pipelines:
    metrics: { receivers: [cpu], exporters: [prometheus] }
    metrics/second: { receivers: [otlp], exporters: [sdk] }
    logs: { receivers: [otlp], exporters: [sdk] }`;

  it('add the exporter to every pipeline of the signals that have an endpoint', () => {
    const env = {
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://m/v1/metrics',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t/v1/traces',
    };
    const loaded = load([], { env, defaultText });
    expect(exportersOf(loaded, 'metrics')).toEqual(['prometheus', 'otlp']);
    expect(exportersOf(loaded, 'metrics/second')).toEqual(['sdk', 'otlp']);
    expect(exportersOf(loaded, 'logs')).toEqual(['sdk']);
    expect(configOf(loaded, 'otlp')).toMatchObject({ metrics_endpoint: 'http://m/v1/metrics' });
    // There is no pipeline for traces.
    expect(configOf(loaded, 'otlp')).not.toHaveProperty('traces_endpoint');
  });

  it('add one exporter for all signals where they differ in the endpoint only', () => {
    const env = { [ENDPOINT]: 'http://back.end', OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://l/v1/logs' };
    const loaded = load([], { env, defaultText });
    expect(exportersOf(loaded, 'logs')).toEqual(['sdk', 'otlp']);
    expect(configOf(loaded, 'otlp')).toMatchObject({ endpoint: 'http://back.end', logs_endpoint: 'http://l/v1/logs' });
  });

  it('add one exporter for each signal where they differ in more', () => {
    const general = { [ENDPOINT]: 'http://back.end', OTEL_EXPORTER_OTLP_HEADERS: 'b=2' };
    const loaded = load([], { env: { ...general, OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'a=1' }, defaultText });
    expect(exportersOf(loaded, 'metrics')).toEqual(['prometheus', 'otlp/metrics']);
    expect(exportersOf(loaded, 'logs')).toEqual(['sdk', 'otlp/logs']);
    expect(headersOf(loaded, 'otlp/metrics')).toEqual({ b: '2' });
    expect(headersOf(loaded, 'otlp/logs')).toEqual({ a: '1' });
  });

  it('leave exporters to a configuration that has one of the type', () => {
    const env = { [ENDPOINT]: 'http://back.end' };
    const own = `receivers: { cpu: }
exporters: { prometheus: , otlp: { endpoint: "http://own" } }
service: { pipelines: { metrics: { receivers: [cpu], exporters: [prometheus] } } }`;
    expect(exportersOf(load([], { env, defaultText: own }), 'metrics')).toEqual(['prometheus']);
  });
});

describe('OTEL_* variables', () => {
  const text = `receivers: { cpu: , otlp: { protocols: { http: } } }
exporters: { otlp: , otlp/own: { endpoint: "http://own:4318" }, otlp/ref: { endpoint: "\${env:${ENDPOINT}}" } }
service:
  pipelines:
    metrics: { receivers: [cpu], exporters: [otlp, otlp/own, otlp/ref] }`;

  it('configure exporters that name no endpoint, and leave those alone that do', () => {
    const env = {
      [ENDPOINT]: 'http://back.end',
      OTEL_EXPORTER_OTLP_HEADERS: 'key=hidden',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd',
    };
    const loaded = load(text, { env });
    for (const id of ['otlp', 'otlp/ref']) {
      expect(configOf(loaded, id)).toMatchObject({ endpoint: 'http://back.end', compression: 'zstd' });
      expect(headersOf(loaded, id)).toEqual({ key: 'hidden' });
    }
    expect(configOf(loaded, 'otlp/own')).toMatchObject({ endpoint: 'http://own:4318', compression: 'none' });
    expect(headersOf(loaded, 'otlp/own')).toEqual({});
  });

  it('never override what is written', () => {
    const written = `agent: { collection_interval: 3s, log: { level: warn } }
resource: { attributes: { service.name: mine } }
${text.replace('otlp: ,', 'otlp: { compression: gzip, timeout: 1s },')}`;
    const env = {
      [ENDPOINT]: 'http://back.end',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd',
      OTEL_EXPORTER_OTLP_TIMEOUT: '9000',
      OTEL_SERVICE_NAME: 'other',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=third,deployment.environment.name=a%2Cb',
      OTEL_LOG_LEVEL: 'debug',
      OTEL_METRIC_EXPORT_INTERVAL: '60000',
    };
    const loaded = load(written, { env });
    expect(configOf(loaded, 'otlp')).toMatchObject({ compression: 'gzip', timeout: 1000 });
    expect(loaded.resource.attributes).toEqual({ 'service.name': 'mine', 'deployment.environment.name': 'a,b' });
    expect(loaded.agent).toMatchObject({ collection_interval: 3000, log: { level: 'warn' } });
  });

  it('fill in what is not written', () => {
    const env = {
      OTEL_SERVICE_NAME: 'shop',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,a=b',
      OTEL_LOG_LEVEL: 'VERBOSE',
      OTEL_METRIC_EXPORT_INTERVAL: '60000',
      OTEL_EXPORTER_PROMETHEUS_PORT: '0',
      OTEL_EXPORTER_PROMETHEUS_HOST: '::1',
    };
    const loaded = load(DEFAULT, { env });
    expect(loaded.resource.attributes).toEqual({ 'service.name': 'shop', a: 'b' });
    expect(loaded.agent).toMatchObject({ collection_interval: 60_000, log: { level: 'debug' } });
    expect(configOf(loaded, 'prometheus')).toMatchObject({ endpoint: '[::1]:0' });
  });

  it('give way to SONDE_* variables', () => {
    const env = { OTEL_LOG_LEVEL: 'debug', SONDE_LOG_LEVEL: 'error' };
    expect(load(DEFAULT, { env }).agent.log.level).toBe('error');
  });

  it('do nothing where they are empty', () => {
    const names = ['ENDPOINT', 'HEADERS', 'PROTOCOL', 'TIMEOUT', 'CERTIFICATE', 'INSECURE', 'METRICS_ENDPOINT'];
    const env = Object.fromEntries(names.map((name) => [`OTEL_EXPORTER_OTLP_${name}`, ' ']));
    const loaded = load([], {
      env: { ...env, OTEL_RESOURCE_ATTRIBUTES: '', OTEL_LOG_LEVEL: '', OTEL_SDK_DISABLED: '' },
    });
    expect(loaded.warnings).toEqual([]);
    expect([...loaded.exporters.keys()]).toEqual(['prometheus']);
  });

  it('must not expose a listener without TLS', () => {
    expect(() => load(DEFAULT, { env: { OTEL_EXPORTER_PROMETHEUS_HOST: '0.0.0.0' } })).toThrow('beyond this machine');
    const insecure = `receivers:\n  cpu:${PIPELINE.replace('prometheus:', 'prometheus: { insecure: true }')}`;
    const loaded = load(insecure, { env: { OTEL_EXPORTER_PROMETHEUS_HOST: '0.0.0.0' } });
    expect(configOf(loaded, 'prometheus')).toMatchObject({ endpoint: '0.0.0.0:9464' });
  });
});
