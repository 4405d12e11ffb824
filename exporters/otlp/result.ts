import type { SendResult } from '../../src/component.ts';
import type { Signal } from '../../src/model/batch.ts';
import { decodeResponse, decodeResponseJson } from '../../src/model/otlp/responses.ts';

/** What the answer to an accepted request says: nothing, or what was not taken (partial success). */
export function readResult(body: Uint8Array, isJson: boolean, signal: Signal): SendResult {
  if (body.byteLength === 0) return {};
  try {
    return isJson ? decodeResponseJson(body, signal) : decodeResponse(body);
  } catch {
    // Some back ends answer 200 with a page or a word of their own: the status alone says that they took it.
    return {};
  }
}
