/** The default configuration and the standard variables: an endpoint in the environment is enough to send everything. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseExposition } from '../exporters/prometheus/grammar.ts';
import { freePort } from '../support/free_port.ts';
import { pointsIn } from './otlp_documents.ts';
import { AGENT_RUNS, sondeCommand, startCollector, startServer, until, type CollectorServer } from './servers.ts';

let collector: CollectorServer;
beforeAll(async () => {
  collector = await startCollector();
});
afterAll(async () => {
  await collector?.stop();
});

const RECEIVERS = 'cpu disk filesystem load memory network paging processes self system'.split(' ');

test.each(['', 'http/json', 'grpc'])(
  'OTEL_EXPORTER_OTLP_ENDPOINT alone sends everything; OTEL_EXPORTER_OTLP_PROTOCOL=%s says how',
  async (protocol) => {
    const port = await freePort();
    const [command, ...args] = sondeCommand();
    const team = `team ${protocol}`;
    const sonde = await startServer({
      command,
      // Its usual port may be another agent's.
      args: () => [...args, 'run', '--set', `exporters.store.endpoint=127.0.0.1:${port}`],
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? collector.grpcEndpoint : collector.httpEndpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_RESOURCE_ATTRIBUTES: `team=${encodeURIComponent(team)},deployment.environment.name=test,service.name=no`,
        OTEL_SERVICE_NAME: 'edge-7',
        OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
      },
      url: `http://127.0.0.1:${port}`,
      ready: `http://127.0.0.1:${port}/metrics`,
      says: AGENT_RUNS,
    });
    try {
      const points = () => pointsIn(collector.received()).filter(({ resource }) => resource.get('team') === team);
      const scopes = () => [...new Set(points().map(({ scope }) => scope))].toSorted();
      const expected = ['sonde.exporter.store', ...RECEIVERS.map((type) => `sonde.receiver.${type}`)];
      await until('every receiver’s metrics have arrived', async () => scopes().length >= expected.length, 60_000);
      expect(scopes()).toEqual(expected);
      for (const { resource } of points()) {
        expect(resource.get('service.name')).toBe('edge-7');
        expect(resource.get('deployment.environment.name')).toBe('test');
        expect(resource.get('host.name')).not.toBeUndefined();
      }
      // As many series of the machine as a scrape has: those of the agent itself come with its first requests.
      const ofMachine = (name: string): boolean => /^system[._]/.test(name);
      const scraped = async (): Promise<number> => {
        const families = parseExposition(await (await fetch(`${sonde.url}/metrics`)).text(), 'text');
        return [...families.values()].flatMap(({ samples }) => samples).filter(({ name }) => ofMachine(name)).length;
      };
      // Those of one collection, whose points have one time: disks and interfaces come and go.
      const sent = (): number => {
        const byTime = new Map<unknown, Map<string, Set<string>>>();
        for (const { name, scope, key } of points().filter((one) => ofMachine(one.name))) {
          const parts = JSON.parse(key) as unknown[];
          const ofScope = byTime.getOrInsertComputed(scope, () => new Map<string, Set<string>>());
          const time = String(parts.at(-1));
          ofScope.getOrInsertComputed(time, () => new Set()).add(JSON.stringify([name, ...parts.slice(0, -2)]));
        }
        return [...byTime.values()].reduce(
          (sum, times) => sum + [...times].toSorted(([a], [b]) => (a < b ? 1 : -1))[0]![1].size,
          0,
        );
      };
      let counts: readonly number[] = [];
      await until(
        'a scrape has as many series as what was sent',
        async () => {
          counts = [sent(), await scraped()];
          return counts[0]! > 0 && counts[0] === counts[1];
        },
        60_000,
      ).catch(() => undefined);
      expect(counts[0]).toBeGreaterThan(0);
      expect(counts[0]).toBe(counts[1]);
      expect(await sonde.stop()).toBe(0);
    } finally {
      await sonde.stop('SIGKILL');
    }
  },
  180_000,
);
