/**
 * A real Prometheus that holds the corpus of samples, and our engine over the same ones: they must answer alike. With
 * `SONDE_RECORD=1` its answers are written to test/fixtures/promql/ for the unit tests.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { corpusSeries } from '../promql/corpus/data.ts';
import { disagreements } from '../promql/corpus/disagreements.ts';
import { corpusQueries } from '../promql/corpus/queries.ts';
import { fingerprintOf, writeRecording } from '../promql/corpus/recording.ts';
import { freePort } from '../support/free_port.ts';
import { askAll } from './oracle/prometheus_answers.ts';
import { loadSeries } from './oracle/remote_write.ts';
import { program, startServer, type Server } from './servers.ts';

let prometheus: Server;
beforeAll(async () => {
  const command = await program('prometheus');
  const port = await freePort();
  prometheus = await startServer({
    command,
    args: (folder) => [
      '--config.file=prometheus.yml',
      `--storage.tsdb.path=${join(folder, 'data')}`,
      // The samples are of 2024.
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      '--enable-feature=native-histograms',
    ],
    files: { 'prometheus.yml': '' },
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}/-/ready`,
  });
});
afterAll(async () => {
  await prometheus?.stop();
});

test('the engine answers over a thousand queries as Prometheus does, at instants and over ranges', async () => {
  const series = corpusSeries();
  const queries = corpusQueries();
  await loadSeries(prometheus.url, series);
  const answers = await askAll(prometheus.url, queries);
  if (process.env['SONDE_RECORD'] === '1') {
    writeRecording({ version: await versionOf(prometheus.url), fingerprint: fingerprintOf(series), queries, answers });
  }
  expect(disagreements(queries, answers).unexpected).toEqual([]);
}, 600_000);

async function versionOf(url: string): Promise<string> {
  const response = await fetch(`${url}/api/v1/status/buildinfo`);
  const { data } = (await response.json()) as { data: { version: string } };
  return data.version;
}
