/**
 * Before the first integration test: the agent is bundled, and every server is unpacked, so that no test's time goes into
 * that, and no test finds a bundle that another is just writing.
 */
import { bundleSonde, unpackServers } from './servers.ts';

const SERVERS = [
  'alertmanager',
  'carbon',
  'chromium',
  'influxdb',
  'journald',
  'nats',
  'otelcol',
  'prometheus',
  'promtool',
  'victoriametrics',
];

export async function setup(): Promise<void> {
  await bundleSonde();
  const why = 'Unpacks the servers that tests talk to, and builds a Collector: once, for some minutes\n';
  const patience = setTimeout(() => process.stderr.write(why), 3000);
  for (const name of SERVERS) {
    try {
      await unpackServers([name]);
    } catch (error) {
      // The tests that need what is missing fail, and say what; the others need not.
      process.stderr.write(`${(error as Error).message}\n`);
    }
  }
  clearTimeout(patience);
}
