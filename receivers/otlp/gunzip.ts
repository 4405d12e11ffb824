/**
 * `gunzipSync` without a new engine for each body: to set one up takes half as long as to decompress what an
 * application sends, and its memory goes back only when V8 marks the whole heap.
 */
import type { Gunzip } from 'node:zlib';

/** What Node.js keeps for libraries that do the same; its types leave it out. */
interface Engine extends Gunzip {
  _handle: { close(): void } | null;
  _processChunk(chunk: Uint8Array, flush: number): Buffer;
  reset(): void;
}

/** Most bodies fit; it is there from the first body on. */
const CHUNK_BYTES = 256 * 1024;

/** Returns memory of its own. @throws as `gunzipSync` does, with ERR_BUFFER_TOO_LARGE beyond `max_bytes` */
export function createGunzipSync(max_bytes: number): (body: Uint8Array) => Buffer {
  let reused: Engine | undefined;

  function open(): Engine {
    const zlib = process.getBuiltinModule('node:zlib');
    const engine = zlib.createGunzip({ chunkSize: CHUNK_BYTES, maxOutputLength: max_bytes }) as Engine;
    // Node.js closes it after each body, by this.
    engine._handle!.close = () => undefined;
    return engine;
  }

  return (body) => {
    const engine = reused ?? open();
    const handle = engine._handle!;
    // After an error nobody knows what state it is in.
    reused = undefined;
    try {
      const content = engine._processChunk(body, process.getBuiltinModule('node:zlib').constants.Z_FINISH);
      engine._handle = handle;
      engine.removeAllListeners('error');
      engine.reset();
      reused = engine;
      return content.length > CHUNK_BYTES ? content : copyOf(content);
    } finally {
      if (reused === undefined) {
        Reflect.deleteProperty(handle, 'close');
        handle.close();
      }
    }
  };
}

/** Of what lies in the engine's memory, which the next body is written to. */
function copyOf(content: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(content.length);
  copy.set(content);
  return copy;
}
