/** The server's side of SCRAM (RFC 5802) over SaslAuthenticate: two messages of the client, two answers. */
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';

const ITERATIONS = 4096;
const SALT = Buffer.from('salt of the tests');

/** Answers one message after the other. @throws {Error} the password is another */
export function createScram(digest: 'sha256' | 'sha512', login: { name: string; password: string }) {
  let clientFirst = '';
  let serverFirst = '';
  return (message: Buffer): Buffer => {
    const text = message.toString();
    if (serverFirst === '') {
      clientFirst = text.replace(/^n,,/, '');
      const [, name, nonce] = /^n=([^,]*),r=(.*)$/.exec(clientFirst)!;
      if (name !== login.name) throw new Error('Cannot authenticate: nobody of this name is known');
      serverFirst = `r=${nonce}server,s=${SALT.toString('base64')},i=${ITERATIONS}`;
      return Buffer.from(serverFirst);
    }
    const [, withoutProof, proof] = /^(.*),p=(.*)$/.exec(text)!;
    const size = digest === 'sha256' ? 32 : 64;
    const hmac = (key: Buffer, data: string): Buffer => createHmac(digest, key).update(data).digest();
    const salted = pbkdf2Sync(login.password, SALT, ITERATIONS, size, digest);
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash(digest).update(clientKey).digest();
    const authMessage = `${clientFirst},${serverFirst},${withoutProof}`;
    const signature = hmac(storedKey, authMessage);
    const expected = clientKey.map((byte, index) => byte ^ signature[index]);
    const found = Buffer.from(proof, 'base64');
    if (found.length !== size || !timingSafeEqual(expected, found)) {
      throw new Error('Cannot authenticate: the password is wrong');
    }
    return Buffer.from(`v=${hmac(hmac(salted, 'Server Key'), authMessage).toString('base64')}`);
  };
}
