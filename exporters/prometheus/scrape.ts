/** Renderings, and their compressed forms, shared by all scrapes that want the same while nothing changed. */
import { promisify } from 'node:util';
import type { ContentEncoding, Format } from './negotiation.ts';
import type { Exposition } from './exposition.ts';
import type { Source } from './store.ts';

/** A body that is being sent. Call `done` when it was, or never will be. */
export interface Body {
  readonly bytes: Buffer;
  readonly encoding: ContentEncoding;
  done(): void;
}

/** The parts of a rendering that scrapes share. */
interface Rendering {
  readonly bytes: Buffer;
  readonly version: number;
  readonly compressed: Map<ContentEncoding, Buffer | Promise<Buffer>>;
  users: number;
}

interface Variant {
  readonly exposition: Exposition;
  rendering: Rendering | undefined;
  used_ms: number;
}

export interface Renderer {
  /** The body of an answer for what `sources` gave at `version`. */
  body(
    format: Format,
    encoding: ContentEncoding,
    version: number,
    sources: () => readonly Source[],
    now_ms: number,
  ): Body | Promise<Body>;
}

/** A format that nobody asked for so long gives its memory back. */
const FORGET_AFTER_MS = 600_000;

/**
 * @param onRender told of every new rendering, for the counting of what it leaves out
 */
export function createRenderer(
  createExposition: (format: Format) => Exposition,
  onRender: (exposition: Exposition, sources: readonly Source[]) => void,
): Renderer {
  const variants = new Map<string, Variant>();

  function render(variant: Variant, version: number, sources: readonly Source[]): Rendering {
    const { exposition, rendering: before } = variant;
    if (before?.version === version) return before;
    const bytes = exposition.render(sources);
    variant.rendering = { bytes, version, compressed: new Map(), users: 0 };
    if (before?.users === 0) exposition.release(before.bytes);
    onRender(exposition, sources);
    return variant.rendering;
  }

  function forget(now_ms: number): void {
    for (const [key, { used_ms, rendering }] of variants) {
      if (now_ms - used_ms > FORGET_AFTER_MS && (rendering?.users ?? 0) === 0) variants.delete(key);
    }
  }

  return {
    body(format, encoding, version, sources, now_ms) {
      forget(now_ms);
      const key = `${format.kind} ${format.escaping}`;
      let variant = variants.get(key);
      if (variant === undefined) {
        variant = { exposition: createExposition(format), rendering: undefined, used_ms: now_ms };
        variants.set(key, variant);
      }
      const { exposition } = variant;
      variant.used_ms = now_ms;
      const rendering =
        variant.rendering?.version === version ? variant.rendering : render(variant, version, sources());
      const owner = variant;
      rendering.users++;
      const done = (): void => {
        rendering.users--;
        if (rendering.users === 0 && owner.rendering !== rendering) exposition.release(rendering.bytes);
      };
      const bytes = compressed(rendering, encoding);
      if (Buffer.isBuffer(bytes)) return { bytes, encoding, done };
      return bytes.then(
        (ready) => ({ bytes: ready, encoding, done }),
        (error: unknown) => {
          done();
          throw error;
        },
      );
    },
  };
}

/** From here on the event loop is held up too long by compressing at once; below, a thread costs more than it saves. */
const ASYNC_FROM_BYTES = 1 << 20;

function compressed({ bytes, compressed: known }: Rendering, encoding: ContentEncoding): Buffer | Promise<Buffer> {
  if (encoding === 'identity') return bytes;
  const before = known.get(encoding);
  if (before !== undefined) return before;
  const result = compress(bytes, encoding);
  known.set(encoding, result);
  if (!Buffer.isBuffer(result)) {
    result.then(
      (ready) => known.set(encoding, ready),
      // Whoever waits for it is told; the next scrape tries again.
      () => known.delete(encoding),
    );
  }
  return result;
}

function compress(bytes: Buffer, encoding: 'gzip' | 'zstd'): Buffer | Promise<Buffer> {
  const zlib = process.getBuiltinModule('node:zlib');
  const isLarge = bytes.length >= ASYNC_FROM_BYTES;
  // Expositions shrink to a fifth. Room for that at once: what zlib takes by default is 16 KiB of garbage a scrape, or
  // for large ones many pieces to copy together.
  const chunkSize = Math.max(1024, bytes.length >> 2);
  if (encoding === 'gzip') {
    const options = { level: 1, chunkSize };
    return isLarge ? promisify(zlib.gzip)(bytes, options) : zlib.gzipSync(bytes, options);
  }
  const options = { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 }, chunkSize };
  return isLarge ? promisify(zlib.zstdCompress)(bytes, options) : zlib.zstdCompressSync(bytes, options);
}
