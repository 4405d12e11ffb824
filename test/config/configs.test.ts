/** Every configuration that comes along loads, with the real components. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalog } from '../../src/cli/catalog.ts';
import { loadWithComponents } from '../../src/config/load.ts';
import { listEnvironments } from '../../src/config/overlays.ts';
import { formatProblems } from '../../src/config/frames.ts';
import { ConfigError } from '../../src/errors.ts';

const CONFIGS = join(import.meta.dirname, '../../configs');
const DEFAULT = join(CONFIGS, 'sonde.yaml');
/** What the overlays and examples expect to be set. */
const ENV = {
  K8S_NODE_NAME: 'node-1',
  K8S_POD_IP: '10.0.0.1',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
  OTLP_API_KEY: 'key',
};

async function load(files: readonly string[], env: NodeJS.ProcessEnv, environment?: string) {
  try {
    return await loadWithComponents({ files, environment, env, catalog, defaultFile: DEFAULT });
  } catch (error) {
    if (error instanceof ConfigError) expect.unreachable(formatProblems(error.problems));
    throw error;
  }
}

describe('configs/', () => {
  it('has a default that measures everything on the host and answers on loopback, without any variable', async () => {
    const loaded = await load([], {});
    const host = ['cpu', 'load', 'memory', 'paging', 'disk', 'filesystem', 'network', 'system', 'processes', 'self'];
    expect([...loaded.receivers.keys()]).toEqual(host);
    expect(loaded.pipelines.get('metrics')).toMatchObject({ receivers: host, exporters: ['prometheus', 'store'] });
    expect(loaded.exporters.get('prometheus')!.config).toMatchObject({ endpoint: '127.0.0.1:9464' });
    expect(loaded.agent.collection_interval).toBe(15_000);
    expect(loaded.warnings).toEqual([]);
  });

  it('sends everything to OTEL_EXPORTER_OTLP_ENDPOINT with the default', async () => {
    const loaded = await load([], { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' });
    expect(loaded.pipelines.get('metrics')!.exporters).toEqual(['prometheus', 'store', 'otlp']);
    expect(loaded.warnings).toEqual([]);
  });

  it('has the environments that it should', () => {
    expect(listEnvironments([DEFAULT])).toEqual(['development', 'edge', 'kubernetes', 'production']);
  });

  for (const environment of listEnvironments([DEFAULT])) {
    it(`has an environment ${environment} that loads over the default`, async () => {
      const loaded = await load([], ENV, environment);
      expect(loaded.warnings).toEqual([]);
      expect(loaded.files.map((file) => basename(file))).toEqual(['sonde.yaml', `${environment}.yaml`]);
    });
  }

  for (const example of readdirSync(join(CONFIGS, 'examples'))) {
    it(`has an example ${example} that loads by itself`, async () => {
      const { OTLP_API_KEY } = ENV;
      const loaded = await load([join(CONFIGS, 'examples', example)], { OTLP_API_KEY });
      expect(loaded.warnings).toEqual([]);
    });
  }
});
