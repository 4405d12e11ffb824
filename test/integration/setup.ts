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
  try {
    await unpackServers(SERVERS);
  } catch (error) {
    // The tests that need what is missing fail, and say what; the others need not.
    process.stderr.write(`${(error as Error).message}\n`);
  }
}
