/**
 * Gives the memory of bytes back that nobody uses any more. It lies outside of V8's heap: left to V8, those that outlived
 * a few collections of young objects stay until the whole heap is marked. Whoever still reads them finds none.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  // What shares its memory with others, as small ones in Node.js's pool do, stays.
  if (byteLength > 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
