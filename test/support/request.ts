import type { Payload, Request } from '../../src/component.ts';

let requests = 0;

/** A payload as the delivery hands it to an exporter. */
export function asRequest(payload: Payload): Request {
  return { ...payload, id: `test-${++requests}` };
}
