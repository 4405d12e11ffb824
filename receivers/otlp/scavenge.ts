/**
 * Bodies of requests lie outside of V8's heap. V8 counts them, but when they are many it does not look whether the young
 * ones are still used, which takes a third of a millisecond: it marks the whole heap, 20 to 40 ms of CPU time. A gateway
 * that takes 250 bodies of 120 KB a second spent half of its time on that (docs/decisions/otlp_forwarding.md).
 */
interface Collecting {
  /** Only there if Node.js was started with --expose-gc, as the launcher has it. */
  readonly gc?: (options: { type: 'minor' }) => void;
}

/** V8 marks after some 9 MB; what was read may be there twice, as it came and merged. */
const EVERY_BYTES = 3 * 2 ** 20;

/** To be told of bytes that are not needed any more; has V8 free them now and then. */
export function createScavenging(): (released_bytes: number) => void {
  const { gc } = globalThis as Collecting;
  if (gc === undefined) return () => {};
  let bytes = 0;
  return (released_bytes) => {
    bytes += released_bytes;
    if (bytes < EVERY_BYTES) return;
    bytes = 0;
    // Once whoever still holds the last of them has ended.
    setImmediate(() => gc({ type: 'minor' }));
  };
}
