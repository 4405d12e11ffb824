/**
 * A Kafka broker on a loopback port: the only one of its cluster, leader of every partition and coordinator of every
 * group. It speaks the real protocol at the versions below, checks what it is sent strictly (record batches, sequences
 * of idempotent producers, generations of groups), and fails where a test tells it to. No code of the client is in it.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { createGroup, type Group } from './kafka/group.ts';
import { createPartitionLog, CORRUPT_MESSAGE, type PartitionLog } from './kafka/log.ts';
import type { StoredRecord } from './kafka/records.ts';
import { createScram } from './kafka/scram.ts';
import { WireReader, WireWriter } from './kafka/wire.ts';

/** Key and highest version of each request; below the first flexible ones, but for ApiVersions. */
const APIS = {
  Produce: [0, 7],
  Fetch: [1, 11],
  ListOffsets: [2, 5],
  Metadata: [3, 7],
  OffsetCommit: [8, 7],
  OffsetFetch: [9, 5],
  FindCoordinator: [10, 2],
  JoinGroup: [11, 5],
  Heartbeat: [12, 3],
  LeaveGroup: [13, 3],
  SyncGroup: [14, 3],
  SaslHandshake: [17, 1],
  ApiVersions: [18, 3],
  InitProducerId: [22, 1],
  SaslAuthenticate: [36, 1],
} as const;
export type Api = keyof typeof APIS;
const NAMES = new Map(Object.entries(APIS).map(([name, [key]]) => [key as number, name as Api]));

const UNKNOWN_TOPIC_OR_PARTITION = 3;
const OFFSET_OUT_OF_RANGE = 1;
const UNSUPPORTED_SASL_MECHANISM = 33;
const SASL_AUTHENTICATION_FAILED = 58;

export interface BrokerOptions {
  /** Partitions of each topic. */
  readonly topics: Readonly<Record<string, number>>;
  readonly tls?: TlsOptions;
  /** Who may connect; everyone if left out. */
  readonly sasl?: { readonly mechanism: string; readonly name: string; readonly password: string };
  readonly port?: number;
}

export interface KafkaBroker extends AsyncDisposable {
  /** `host:port`. */
  readonly address: string;
  /** Every request that came, in order. */
  readonly requests: readonly Api[];
  /**
   * Answers with an error code, cuts the connection, or says nothing; undefined is no fault. Asked once for a request,
   * with '', and then for each topic of it, where topics have codes of their own.
   */
  fault: (api: Api, topic: string) => number | 'cut' | 'cut after' | 'silent' | undefined;
  /** Topics are made when they are asked for. */
  createsTopics: boolean;
  log(topic: string, partition?: number): PartitionLog;
  /** Records of all partitions of a topic, in the order of partitions. */
  records(topic: string): readonly StoredRecord[];
  group(id: string): Group;
  /** Tells waiting fetches that there is more, after a test has appended to a log itself. */
  wake(): void;
  /** Cuts all connections. */
  cut(): void;
}

interface Session {
  readonly socket: Socket;
  isAuthenticated: boolean;
  mechanism: string;
  scram: ((message: Buffer) => Buffer) | undefined;
}

/** What is answered, behind the correlation id; undefined for nothing. */
type Answer = WireWriter | undefined;

export async function startKafkaBroker(options: BrokerOptions): Promise<KafkaBroker> {
  const { sasl } = options;
  const topics = new Map<string, PartitionLog[]>();
  const groups = new Map<string, Group>();
  const sessions = new Set<Session>();
  const requests: Api[] = [];
  const fetchers = new Set<() => void>();
  let producers = 0n;
  let port = 0;

  const addTopic = (name: string, partitions: number): void =>
    void topics.set(name, Array.from({ length: partitions }, createPartitionLog));
  for (const [name, partitions] of Object.entries(options.topics)) addTopic(name, partitions);

  function groupOf(id: string): Group {
    let group = groups.get(id);
    if (group === undefined) groups.set(id, (group = createGroup()));
    return group;
  }

  /** Of the request that is being handled. */
  let requestFault: ReturnType<KafkaBroker['fault']>;
  /** An injected error code; other faults end the request. */
  const codeOf = (api: Api, topic?: string): number => {
    const fault = topic === undefined ? requestFault : broker.fault(api, topic);
    if (typeof fault === 'number') return fault;
    if (fault !== undefined) throw new Fault(fault);
    return 0;
  };

  const handlers: Record<Api, (reader: WireReader, session: Session, version: number) => Answer | Promise<Answer>> = {
    ApiVersions(reader, _, version) {
      if (version >= 3) {
        reader.compactString();
        reader.compactString();
        reader.tags();
      }
      const out = new WireWriter().int16(0);
      const all = Object.values(APIS);
      if (version < 3) return out.array(all, ([key, max]) => void out.int16(key).int16(0).int16(max)).int32(0);
      out.unsignedVarint(all.length + 1);
      for (const [key, max] of all) out.int16(key).int16(0).int16(max).unsignedVarint(0);
      return out.int32(0).unsignedVarint(0);
    },
    SaslHandshake(reader, session) {
      session.mechanism = reader.text();
      const isKnown = session.mechanism === sasl?.mechanism;
      const out = new WireWriter().int16(isKnown ? 0 : UNSUPPORTED_SASL_MECHANISM);
      return out.array(sasl === undefined ? [] : [sasl.mechanism], (name) => void out.string(name));
    },
    SaslAuthenticate(reader, session) {
      const message = reader.data();
      try {
        return new WireWriter().int16(0).string(null).data(authenticate(message, session)).int64(0n);
      } catch (error) {
        const words = (error as Error).message;
        return new WireWriter().int16(SASL_AUTHENTICATION_FAILED).string(words).data(Buffer.alloc(0)).int64(0n);
      }
    },
    Metadata(reader) {
      const names = reader.array(() => reader.text());
      const mayCreate = reader.boolean();
      for (const name of names) if (!topics.has(name) && mayCreate && broker.createsTopics) addTopic(name, 1);
      const out = new WireWriter().int32(0);
      out.array([0], (id) => void out.int32(id).string('127.0.0.1').int32(port).string(null));
      out.string('cluster').int32(0);
      return out.array(names, (name) => {
        const partitions = topics.get(name);
        const code = codeOf('Metadata', name) || (partitions === undefined ? UNKNOWN_TOPIC_OR_PARTITION : 0);
        out.int16(code).string(name).int8(0);
        out.array([...(partitions ?? []).keys()], (index) => {
          out.int16(0).int32(index).int32(0).int32(0);
          for (const nodes of [[0], [0], []]) out.array(nodes, (node) => void out.int32(node));
        });
      });
    },
    InitProducerId(reader) {
      reader.string();
      reader.int32();
      return new WireWriter().int32(0).int16(codeOf('InitProducerId')).int64(++producers).int16(0);
    },
    Produce(reader) {
      if (reader.string() !== null) throw new RangeError('Cannot produce: no transactions here');
      const acks = reader.int16();
      if (acks !== -1) throw new RangeError(`Cannot produce: acks are ${acks}, not -1`);
      reader.int32();
      const out = new WireWriter();
      const data = reader.array(() => ({
        topic: reader.text(),
        partitions: reader.array(() => ({ index: reader.int32(), bytes: Buffer.from(reader.data()) })),
      }));
      out.array(data, ({ topic, partitions }) => {
        out.string(topic).array(partitions, ({ index, bytes }) => {
          const code = codeOf('Produce', topic);
          const log = topics.get(topic)?.[index];
          let result = { error: code === 0 ? UNKNOWN_TOPIC_OR_PARTITION : code, offset: -1n };
          try {
            if (code === 0 && log !== undefined) result = log.append(bytes);
          } catch {
            // What is wrong with it, the test that reads the log will see from what is missing.
            result = { error: CORRUPT_MESSAGE, offset: -1n };
          }
          out.int32(index).int16(result.error).int64(result.offset).int64(-1n).int64(0n);
        });
      });
      broker.wake();
      if (broker.fault('Produce', 'answer') === 'cut after') throw new Fault('cut');
      return out.int32(0);
    },
    ListOffsets(reader) {
      reader.int32();
      reader.int8();
      const out = new WireWriter().int32(0);
      const asked = reader.array(() => ({
        topic: reader.text(),
        partitions: reader.array(() => ({ index: reader.int32(), epoch: reader.int32(), timestamp: reader.int64() })),
      }));
      return out.array(asked, ({ topic, partitions }) => {
        out.string(topic).array(partitions, ({ index, timestamp }) => {
          const log = topics.get(topic)?.[index];
          const offset = timestamp === -2n ? 0n : (log?.end ?? -1n);
          out.int32(index).int16(codeOf('ListOffsets', topic)).int64(-1n).int64(offset).int32(0);
        });
      });
    },
    async Fetch(reader, { socket }) {
      reader.int32();
      const wait_ms = reader.int32();
      reader.int32();
      const max_bytes = reader.int32();
      reader.int8();
      reader.int32();
      reader.int32();
      const asked = reader.array(() => ({
        topic: reader.text(),
        partitions: reader.array(() => {
          const index = reader.int32();
          reader.int32();
          const offset = reader.int64();
          reader.int64();
          return { index, offset, max_bytes: reader.int32() };
        }),
      }));
      reader.array(() => [reader.text(), reader.array(() => reader.int32())]);
      reader.text();
      const hasMore = (): boolean =>
        asked.some(({ topic, partitions }) =>
          partitions.some(({ index, offset }) => offset !== topics.get(topic)?.[index]?.end),
        );
      if (!hasMore()) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, wait_ms);
        fetchers.add(resolve);
        socket.once('close', resolve);
        await promise;
        clearTimeout(timer);
        fetchers.delete(resolve);
      }
      const out = new WireWriter().int32(0).int16(0).int32(0);
      return out.array(asked, ({ topic, partitions }) => {
        out.string(topic).array(partitions, ({ index, offset, max_bytes: partition_bytes }) => {
          const log = topics.get(topic)![index];
          const isOutside = offset < 0n || offset > log.end;
          const code = codeOf('Fetch', topic) || (isOutside ? OFFSET_OUT_OF_RANGE : 0);
          out.int32(index).int16(code).int64(log.end).int64(log.end).int64(0n).int32(0).int32(-1);
          out.data(code === 0 ? log.read(offset, Math.min(max_bytes, partition_bytes)) : Buffer.alloc(0));
        });
      });
    },
    FindCoordinator(reader) {
      reader.text();
      reader.int8();
      return new WireWriter()
        .int32(0)
        .int16(codeOf('FindCoordinator'))
        .string(null)
        .int32(0)
        .string('127.0.0.1')
        .int32(port);
    },
    async JoinGroup(reader) {
      const group = groupOf(reader.text());
      reader.int32();
      reader.int32();
      const memberId = reader.text();
      reader.string();
      reader.text();
      const [protocol] = reader.array(() => ({ name: reader.text(), metadata: Buffer.from(reader.data()) }));
      const joined = await group.join(memberId, protocol.name, protocol.metadata);
      const out = new WireWriter().int32(0).int16(joined.error).int32(joined.generation);
      out.string(joined.protocol).string(joined.leader).string(joined.memberId);
      return out.array(joined.members, ({ id, metadata }) => void out.string(id).string(null).data(metadata));
    },
    async SyncGroup(reader) {
      const group = groupOf(reader.text());
      const generation = reader.int32();
      const memberId = reader.text();
      reader.string();
      const assignments = new Map(reader.array(() => [reader.text(), Buffer.from(reader.data())] as const));
      const { error, assignment } = await group.sync(memberId, generation, assignments);
      return new WireWriter().int32(0).int16(error).data(assignment);
    },
    Heartbeat(reader) {
      const group = groupOf(reader.text());
      const generation = reader.int32();
      const memberId = reader.text();
      reader.string();
      const error = codeOf('Heartbeat') || group.heartbeat(memberId, generation);
      return new WireWriter().int32(0).int16(error);
    },
    LeaveGroup(reader) {
      const group = groupOf(reader.text());
      const leaving = reader.array(() => [reader.text(), reader.string()] as const);
      const out = new WireWriter().int32(0).int16(0);
      return out.array(leaving, ([id]) => void out.string(id).string(null).int16(group.leave(id)));
    },
    OffsetCommit(reader) {
      const group = groupOf(reader.text());
      const generation = reader.int32();
      const memberId = reader.text();
      reader.string();
      const error = codeOf('OffsetCommit') || group.mayCommit(memberId, generation);
      const out = new WireWriter().int32(0);
      const given = reader.array(() => ({
        topic: reader.text(),
        partitions: reader.array(() => {
          const partition = { index: reader.int32(), offset: reader.int64() };
          reader.int32();
          reader.string();
          return partition;
        }),
      }));
      return out.array(given, ({ topic, partitions }) => {
        out.string(topic).array(partitions, ({ index, offset }) => {
          if (error === 0) group.offsets.set(`${topic} ${index}`, offset);
          out.int32(index).int16(error);
        });
      });
    },
    OffsetFetch(reader) {
      const group = groupOf(reader.text());
      const asked = reader.array(() => [reader.text(), reader.array(() => reader.int32())] as const);
      const out = new WireWriter().int32(0);
      out.array(asked, ([topic, partitions]) => {
        out.string(topic).array(partitions, (index) => {
          const offset = group.offsets.get(`${topic} ${index}`) ?? -1n;
          out.int32(index).int64(offset).int32(-1).string(null).int16(0);
        });
      });
      return out.int16(codeOf('OffsetFetch'));
    },
  };

  function authenticate(message: Buffer, session: Session): Buffer {
    const { name, password } = sasl!;
    if (session.mechanism === 'PLAIN') {
      if (message.toString() !== `\0${name}\0${password}`)
        throw new Error('Cannot authenticate: wrong name or password');
    } else if (session.mechanism === 'OAUTHBEARER') {
      const token = `n,,\u0001auth=Bearer ${password}\u0001logicalCluster=${name}\u0001\u0001`;
      if (message.toString() !== token) throw new Error('Cannot authenticate: wrong token');
    } else {
      session.scram ??= createScram(session.mechanism.endsWith('256') ? 'sha256' : 'sha512', { name, password });
      const answer = session.scram(message);
      session.isAuthenticated = answer.toString().startsWith('v=');
      return answer;
    }
    session.isAuthenticated = true;
    return Buffer.alloc(0);
  }

  async function handle(session: Session, frame: Buffer): Promise<void> {
    const reader = new WireReader(frame);
    const api = NAMES.get(reader.int16())!;
    const version = reader.int16();
    const correlation = reader.int32();
    reader.string();
    if (api === 'ApiVersions' && version >= 3) reader.tags();
    requests.push(api);
    const isOpen = api === 'ApiVersions' || api === 'SaslHandshake' || api === 'SaslAuthenticate';
    if (version > APIS[api][1] || !(isOpen || session.isAuthenticated)) return void session.socket.destroy();
    try {
      requestFault = broker.fault(api, '');
      if (requestFault === 'cut' || requestFault === 'silent') throw new Fault(requestFault);
      const answer = await handlers[api](reader, session, version);
      reader.end();
      if (answer === undefined) return;
      const body = answer.done();
      session.socket.write(
        new WireWriter()
          .int32(body.length + 4)
          .int32(correlation)
          .raw(body)
          .done(),
      );
    } catch (error) {
      if (!(error instanceof Fault)) broker.problems.push(`${api}: ${(error as Error).message}`);
      if (!(error instanceof Fault) || error.message === 'cut') session.socket.destroy();
    }
  }

  function accept(socket: Socket): void {
    const session: Session = { socket, isAuthenticated: sasl === undefined, mechanism: '', scram: undefined };
    sessions.add(session);
    socket.on('error', () => undefined);
    socket.on('close', () => sessions.delete(session));
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE()) {
        const size = rest.readInt32BE();
        void handle(session, rest.subarray(4, 4 + size));
        rest = rest.subarray(4 + size);
      }
    });
  }

  const broker: KafkaBroker & { readonly problems: string[] } = {
    address: '',
    problems: [],
    requests,
    fault: () => undefined,
    createsTopics: false,
    log: (topic, partition = 0) => topics.get(topic)![partition],
    records: (topic) => (topics.get(topic) ?? []).flatMap(({ batches }) => batches.flatMap(({ records }) => records)),
    group: groupOf,
    wake() {
      for (const fetcher of fetchers) fetcher();
    },
    cut() {
      for (const { socket } of sessions) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      broker.cut();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
      if (broker.problems.length > 0) throw new Error(`The broker was sent nonsense: ${broker.problems.join('; ')}`);
    },
  };
  const server: Server = options.tls === undefined ? createServer(accept) : createTlsServer(options.tls, accept);
  server.on('tlsClientError', () => undefined);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(options.port ?? 0, '127.0.0.1', resolve);
  await promise;
  port = (server.address() as { port: number }).port;
  return Object.assign(broker, { address: `127.0.0.1:${port}` });
}

/** Ends a request without an answer: `cut` the connection, or stay `silent`. */
class Fault extends Error {}
