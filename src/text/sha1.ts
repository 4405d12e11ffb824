/**
 * SHA-1 (RFC 3174), for identifiers that standards make with it. `node:crypto` knows it too, but costs 2.9 MB of
 * resident memory once it is loaded, and an agent without TLS needs nothing else of it.
 */
export function sha1(content: Uint8Array): Buffer {
  const message = padded(content);
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const words = new Int32Array(80);
  for (let block = 0; block < message.length; block += 64) {
    for (let i = 0; i < 16; i++) words[i] = message.readInt32BE(block + i * 4);
    for (let i = 16; i < 80; i++) words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    mix(state, words);
  }
  const digest = Buffer.alloc(20);
  for (const [i, word] of state.entries()) digest.writeInt32BE(word, i * 4);
  return digest;
}

/** A bit of one, zeros, and the length in bits, up to a multiple of 64 bytes (section 4). */
function padded(content: Uint8Array): Buffer {
  const message = Buffer.alloc(Math.ceil((content.length + 9) / 64) * 64);
  message.set(content);
  message[content.length] = 0x80;
  message.writeBigUInt64BE(BigInt(content.length) * 8n, message.length - 8);
  return message;
}

/** Section 6.1. */
function mix(state: Int32Array, words: Int32Array): void {
  let [a, b, c, d, e] = state;
  for (let t = 0; t < 80; t++) {
    const next = (rotate(a, 5) + chosen(t, b, c, d) + e + words[t]) | 0;
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

/** The function of step t and its constant (section 5). */
function chosen(t: number, b: number, c: number, d: number): number {
  if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
