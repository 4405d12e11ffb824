import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { createBudget } from '../../../receivers/otlp/budget.ts';
import { startGrpc } from '../../../receivers/otlp/grpc.ts';
import { createIngest } from '../../../receivers/otlp/ingest.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';

test('startGrpc closes in spite of a connection that never speaks HTTP/2', async () => {
  const log = createRecordedLog();
  const next = { metrics: undefined, logs: undefined, traces: undefined };
  const ingest = createIngest({ next, log, budget: createBudget(1000) });
  const config = { endpoint: '127.0.0.1:0', insecure: false, max_request_bytes: 1000 };
  const listener = await startGrpc(config, ingest, log, 10);
  const socket = connect(Number(listener.address.split(':')[1]), '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  await listener.close();
  socket.destroy();
  expect(log.lines).toEqual([]);
});
