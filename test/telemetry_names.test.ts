/** The agent's own telemetry is a contract: dashboards and alerts are written against these lines. Add, do not change. */
import { expect, test } from 'vitest';
import self from '../receivers/self/index.ts';
import type { MetricDefinition } from '../src/component.ts';

const COMPONENT = 'sonde.component.id sonde.component.kind sonde.pipeline.name sonde.signal';
const PIPELINE = 'sonde.pipeline.name sonde.signal';
const CONTRACT = `
nodejs.eventloop.delay.max gauge s
nodejs.eventloop.delay.mean gauge s
nodejs.eventloop.delay.min gauge s
nodejs.eventloop.delay.p50 gauge s
nodejs.eventloop.delay.p90 gauge s
nodejs.eventloop.delay.p99 gauge s
nodejs.eventloop.delay.stddev gauge s
nodejs.eventloop.time counter s nodejs.eventloop.state
nodejs.eventloop.utilization gauge 1
process.cpu.time counter s cpu.mode
process.memory.usage updowncounter By
process.thread.count updowncounter {thread}
process.unix.file_descriptor.count updowncounter {file_descriptor}
process.uptime gauge s
sonde.budget.utilization gauge 1 sonde.budget.resource
sonde.component.accepted counter {item} ${COMPONENT}
sonde.component.dropped counter {item} sonde.component.id sonde.component.kind sonde.drop.reason sonde.pipeline.name sonde.signal
sonde.component.duration counter s ${COMPONENT}
sonde.component.failed counter {item} ${COMPONENT}
sonde.component.operations counter {operation} ${COMPONENT}
sonde.component.refused counter {item} ${COMPONENT}
sonde.component.sent counter {item} ${COMPONENT}
sonde.component.skipped counter {collection} ${COMPONENT}
sonde.component.timed_out counter {collection} ${COMPONENT}
sonde.component.up gauge 1 ${COMPONENT}
sonde.pipeline.accepted counter {item} ${PIPELINE}
sonde.pipeline.dropped counter {item} sonde.drop.reason ${PIPELINE}
sonde.pipeline.filtered counter {item} sonde.filter.rule ${PIPELINE}
sonde.pipeline.refused counter {item} ${PIPELINE}
sonde.pipeline.sent counter {item} ${PIPELINE}
sonde.pipeline.waiting updowncounter {item} ${PIPELINE}
sonde.queue.items updowncounter {item} ${COMPONENT}
sonde.queue.limit updowncounter By ${COMPONENT}
sonde.queue.recovered counter {item} ${COMPONENT}
sonde.queue.usage updowncounter By ${COMPONENT}
sonde.receiver.bursts counter {burst} ${COMPONENT}
sonde.receiver.interval gauge s ${COMPONENT}
sonde.receiver.left_out counter {item} ${COMPONENT}
sonde.receiver.stretched counter {collection} ${COMPONENT}
v8js.memory.heap.space.available_size updowncounter By v8js.heap.space.name
v8js.memory.heap.space.physical_size updowncounter By v8js.heap.space.name
v8js.memory.heap.space.size updowncounter By v8js.heap.space.name
v8js.memory.heap.used updowncounter By v8js.heap.space.name
`;

test('the names, kinds, units and attributes of the agent’s own metrics are as they were', () => {
  const lines = Object.values<MetricDefinition>(self.metrics).map(({ name, instrument, unit, attributes }) =>
    [name, instrument, unit, ...attributes.toSorted()].join(' '),
  );
  expect(lines.toSorted()).toEqual(CONTRACT.trim().split('\n').toSorted());
});
