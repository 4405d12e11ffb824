import { describe, expect, test } from 'vitest';
import resource from '../../processors/resource.ts';
import type { Batch, Resource } from '../../src/model/batch.ts';
import { logBatch, logRecord, metricBatch, RESOURCE, runProcessor, series, table } from '../support/processor.ts';

const UPSERT = { attributes: [{ key: 'deployment.environment.name', value: 'test', action: 'upsert' }] };

describe('resource', () => {
  test('gives all series and records of one resource one new resource', async () => {
    const run = runProcessor(resource, UPSERT);
    await run.consume(metricBatch([series('a'), series('b')], [1, 2]));
    await run.consume(logBatch([logRecord('x')]));
    const [metrics] = run.metrics();
    const changed = metrics!.series[0]!.resource;
    expect(changed).toEqual({
      schemaUrl: '',
      attributes: { 'host.name': 'test', 'deployment.environment.name': 'test' },
    });
    expect(metrics!.series[1]!.resource).toBe(changed);
    expect(run.out[1]).toMatchObject({ signal: 'logs', count: 1 });
    expect(run.out[1]!.signal === 'logs' && run.out[1]!.records[0]!.resource).toBe(changed);
    expect(RESOURCE.attributes).toEqual({ 'host.name': 'test' });
  });

  test('hands over the same layout for the same layout, and the very same batch where it changes nothing', async () => {
    const run = runProcessor(resource, UPSERT);
    const layout = [series('a')];
    await run.consume(metricBatch(layout, [1]));
    await run.consume(metricBatch(layout, [2]));
    const [first, second] = run.metrics();
    expect(second!.series).toBe(first!.series);

    const same = runProcessor(resource, { attributes: [{ key: 'zz', action: 'delete' }] });
    const batches: Batch[] = [
      metricBatch(layout, [1], { otlp: Uint8Array.of(1) }),
      logBatch([logRecord('x')], { otlp: Uint8Array.of(1) }),
    ];
    for (const batch of batches) await same.consume(batch);
    batches.forEach((batch, index) => expect(same.out[index]).toBe(batch));
  });

  test('aggregates series that become one', async () => {
    const run = runProcessor(resource, { attributes: [{ key: 'instance', action: 'delete' }] });
    const resources: Resource[] = ['1', '2'].map((instance) => ({ attributes: { instance }, schemaUrl: '' }));
    await run.consume(
      metricBatch(
        resources.map((each) => series('m', {}, { resource: each })),
        [1, 2],
      ),
    );
    expect(table(run.metrics()[0]!)).toEqual([['m', {}, 3]]);
    expect(run.dropped.get('merged')).toBe(1);
  });

  test('claims no entity whose identifying attributes are gone', async () => {
    const run = runProcessor(resource, {
      attributes: [
        { key: 'host.id', action: 'delete' },
        { key: 'os.version', action: 'delete' },
      ],
    });
    const entity = { schemaUrl: '', type: 'os', idKeys: ['os.type'], descriptionKeys: ['os.version', 'os.name'] };
    const described: Resource = {
      schemaUrl: '',
      attributes: { 'host.id': 'x', 'os.type': 'linux', 'os.version': '1', 'os.name': 'n' },
      entityRefs: [{ schemaUrl: '', type: 'host', idKeys: ['host.id'], descriptionKeys: [] }, entity],
    };
    await run.consume(metricBatch([series('m', {}, { resource: described })], [1]));
    expect(run.metrics()[0]!.series[0]!.resource.entityRefs).toEqual([{ ...entity, descriptionKeys: ['os.name'] }]);
  });
});
