/**
 * A server that speaks the protocol of NATS clients (nats-docs, "NATS Protocol") on a loopback port, with as much of
 * JetStream as a test tells it. What a real one does, the integration tests show.
 */
import { createServer, type Socket } from 'node:net';

export interface Published {
  readonly subject: string;
  readonly reply: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly data: Buffer;
}

export interface FakeNats extends AsyncDisposable {
  readonly url: string;
  /** What clients said of themselves, one for each connection. */
  readonly connects: Readonly<Record<string, unknown>>[];
  /** Everything that was published, requests too. */
  readonly published: Published[];
  /** Says what a request is answered with: JSON, `503` for nobody there, or undefined for no answer. */
  answer: (message: Published) => object | '503' | undefined;
  /** Added to what the server says of itself to new connections. */
  info: Readonly<Record<string, unknown>>;
  /** Hands a message to all who have subscribed to the subject, or to another one, as JetStream does. */
  deliver(
    subject: string,
    reply: string,
    headers: Readonly<Record<string, string>>,
    data: Uint8Array,
    subscription?: string,
  ): void;
  /** Sends a line, as an error, to every client. */
  say(line: string): void;
  /** Cuts all connections. */
  cut(): void;
}

interface Client {
  readonly socket: Socket;
  readonly subscriptions: Map<string, string>;
}

export async function startFakeNats(port = 0): Promise<FakeNats> {
  const clients = new Set<Client>();
  const server = createServer((socket) => {
    const client: Client = { socket, subscriptions: new Map() };
    clients.add(client);
    socket.on('error', () => undefined);
    socket.on('close', () => clients.delete(client));
    const about = { server_id: 'x', version: '2.11.0', proto: 1, headers: true, max_payload: 2 ** 20, nonce: 'abc' };
    socket.write(`INFO ${JSON.stringify({ ...about, ...fake.info })}\r\n`);
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let used = read(client, rest); used > 0; used = read(client, rest)) rest = rest.subarray(used);
    });
  });

  /** Takes one command, and says how long it was; 0 where it is not whole yet. */
  function read(client: Client, bytes: Buffer): number {
    const end = bytes.indexOf('\r\n');
    if (end === -1) return 0;
    const line = bytes.toString('utf8', 0, end);
    const [verb = '', ...rest] = line.split(' ');
    if (verb === 'PING') client.socket.write('PONG\r\n');
    if (verb === 'CONNECT') fake.connects.push(JSON.parse(line.slice(8)) as Record<string, unknown>);
    if (verb === 'SUB') client.subscriptions.set(rest.at(-1)!, rest[0]);
    if (verb === 'UNSUB') client.subscriptions.delete(rest[0]);
    if (verb !== 'PUB' && verb !== 'HPUB') return end + 2;
    const size = Number(rest.at(-1));
    const headerSize = verb === 'HPUB' ? Number(rest.at(-2)) : 0;
    const bodyAt = end + 2;
    if (bytes.length < bodyAt + size + 2) return 0;
    take({
      subject: rest[0],
      reply: rest.length === (verb === 'HPUB' ? 4 : 3) ? rest[1] : '',
      headers: headersOf(bytes.toString('utf8', bodyAt, bodyAt + headerSize)),
      data: Buffer.from(bytes.subarray(bodyAt + headerSize, bodyAt + size)),
    });
    return bodyAt + size + 2;
  }

  function take(message: Published): void {
    fake.published.push(message);
    const answer = fake.answer(message);
    if (answer === undefined) return;
    if (answer === '503') fake.deliver(message.reply, '', { '': '503' }, Buffer.alloc(0));
    else fake.deliver(message.reply, '', {}, Buffer.from(JSON.stringify(answer)));
  }

  const fake: FakeNats = {
    url: '',
    connects: [],
    published: [],
    answer: () => undefined,
    info: {},
    deliver(subject, reply, headers, data, subscription = subject) {
      const status = headers[''] === undefined ? '' : ` ${headers['']}`;
      const fields = Object.entries(headers).filter(([name]) => name !== '');
      const head = Buffer.from(`NATS/1.0${status}\r\n${fields.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`);
      for (const { socket, subscriptions } of clients) {
        for (const [sid, pattern] of subscriptions) {
          if (pattern !== subscription && !(pattern.endsWith('*') && subscription.startsWith(pattern.slice(0, -1))))
            continue;
          const to = reply === '' ? `${subject} ${sid}` : `${subject} ${sid} ${reply}`;
          socket.write(`HMSG ${to} ${head.length} ${head.length + data.length}\r\n`);
          socket.write(Buffer.concat([head, data, Buffer.from('\r\n')]));
        }
      }
    },
    say(line) {
      for (const { socket } of clients) socket.write(`${line}\r\n`);
    },
    cut() {
      for (const { socket } of clients) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      fake.cut();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    },
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(port, '127.0.0.1', resolve);
  await promise;
  return Object.assign(fake, { url: `nats://127.0.0.1:${(server.address() as { port: number }).port}` });
}

function headersOf(text: string): Record<string, string> {
  const lines = text.split('\r\n').slice(1);
  const fields = lines.filter((line) => line.includes(':')).map((line) => line.split(/: ?/, 2) as [string, string]);
  return Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
}
