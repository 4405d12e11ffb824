/** Whole agents that send to Loki and Elasticsearch, which now and then refuse: every item is accounted for. */
import { expect, test } from 'vitest';
import elasticsearch from '../../exporters/elasticsearch.ts';
import loki from '../../exporters/loki.ts';
import { createStage, makeAgent, type AgentRun } from '../support/agent.ts';
import { startElasticsearch } from '../support/elasticsearch_server.ts';
import { startLoki } from '../support/loki_server.ts';
import { logBatch, logRecord, metric, metricBatch, series } from '../support/processor.ts';

const NOW = BigInt(Date.now()) * 1_000_000n;
const RETRY = { initial: '1ms', max: '5ms' };

function droppedBy({ figures }: AgentRun, id: string, signal: 'logs' | 'metrics'): number {
  const { accepted, sent, dropped } = figures(id, signal);
  const lost = [...dropped.values()].reduce((sum, count) => sum + count, 0);
  expect(accepted).toBe(sent + lost);
  return lost;
}

test('An agent brings every record to Loki and Elasticsearch, past errors, and counts those that they refuse', async () => {
  await using lokiServer = await startLoki();
  await using elasticsearchServer = await startElasticsearch();
  const stage = createStage();
  const exporters = [...stage.exporters, loki, elasticsearch];
  const run = makeAgent(
    {
      receivers: { pushed: {} },
      exporters: {
        loki: { endpoint: lokiServer.url, retry: RETRY },
        'loki/json': { endpoint: lokiServer.url, encoding: 'json', labels: { fixed: { way: 'json' } }, retry: RETRY },
        elasticsearch: { endpoints: [elasticsearchServer.url], retry: RETRY },
      },
      pipelines: {
        logs: { receivers: ['pushed'], exporters: ['loki', 'loki/json', 'elasticsearch'] },
        metrics: { receivers: ['pushed'], exporters: ['elasticsearch'] },
      },
    },
    { ...stage, exporters },
  );
  await run.agent.start();
  lokiServer.answers.push({ status: 503 }, { status: 429 }, { status: 500 });
  lokiServer.oldest = NOW + 1n;
  elasticsearchServer.answers.push({ status: 429 }, { status: 200, body: 'not JSON' });
  elasticsearchServer.judge = ({ body, metrics }, attempt) => {
    const text = (body as { text?: string } | undefined)?.text ?? JSON.stringify(metrics);
    if (/7$|"m7"/.test(text)) return { status: 400, type: 'document_parsing_exception', reason: 'no sevens' };
    return attempt < 3 && /3$|"m3"/.test(text)
      ? { status: 429, type: 'es_rejected_execution_exception', reason: 'busy' }
      : undefined;
  };
  const { next } = stage.pushed.get('pushed')!;
  const texts = Array.from({ length: 60 }, (_, index) => `line ${index}`);
  for (let from = 0; from < 60; from += 10) {
    const records = texts
      .slice(from, from + 10)
      .map((text, index) => logRecord(text, { time: NOW + BigInt(from + index) }));
    await next.logs!.consume(logBatch(records));
  }
  const names = Array.from({ length: 10 }, (_, index) => `m${index}`);
  await next.metrics!.consume(
    metricBatch(
      names.map((name) => series(metric(name, { unit: name }))),
      names.map((_, index) => index),
      { time: NOW },
    ),
  );
  await run.agent.stop();

  expect(droppedBy(run, 'loki', 'logs')).toBe(1);
  expect(droppedBy(run, 'loki/json', 'logs')).toBe(1);
  for (const { entries } of lokiServer.streams.values()) {
    expect(entries.map(({ line }) => line).toSorted()).toEqual(texts.slice(1).toSorted());
  }
  expect(lokiServer.streams.size).toBe(2);

  expect(droppedBy(run, 'elasticsearch', 'logs')).toBe(6);
  expect(droppedBy(run, 'elasticsearch', 'metrics')).toBe(1);
  const stored = elasticsearchServer.documents.map(
    ({ source }) => (source.body as { text?: string } | undefined)?.text ?? Object.keys(source.metrics!)[0]!,
  );
  expect(stored.toSorted()).toEqual([...texts, ...names].filter((text) => !text.endsWith('7')).toSorted());
});
