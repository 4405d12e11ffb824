/**
 * What a queue on disk owes its user, checked while commands are run against it: which blocks it may and must hand out,
 * over crashes and power cuts, and that its counts are exact.
 */
import { expect } from 'vitest';
import { createDiskStore, type DiskStoreOptions } from '../../../src/delivery/disk/disk_store.ts';
import type { Block, BlockStore, Loss } from '../../../src/delivery/store.ts';
import { createSimulatedClock, settled, type SimulatedClock } from '../simulated_clock.ts';
import { createFaultyFolder, createRandom, type FaultyFolder } from './faulty_folder.ts';

export type ModelOptions = Pick<DiskStoreOptions, 'capacity_bytes' | 'maxAge_ms' | 'order' | 'sync'>;

/** A block that was put at some time. */
interface Known {
  readonly number: number;
  readonly body: Buffer;
  readonly count: number;
  readonly time_ms: number;
  /** What is owed after the next start: handed out, perhaps, or never again. */
  owed: 'must' | 'may' | 'never';
  id: string | undefined;
  /** Whether a power cut cannot bring it back once it was settled. */
  isSettledForSure: boolean;
  /** Of this life of the process. */
  state: 'asked' | 'stored' | 'refused' | 'taken' | 'settling' | 'settled' | 'gone' | 'before';
}

interface Session {
  readonly store: BlockStore;
  /** Items that it found when it was opened. */
  opened: number | undefined;
  openError: unknown;
  /** Items that were stored, handed out, evicted and lost in this life. */
  stored: number;
  handed: number;
  evicted: number;
  lost: number;
  lastNumber: number;
  readonly handedOut: Set<number>;
  readonly taken: Block[];
  putting: number;
  isTaking: boolean;
  settling: number;
  isDead: boolean;
  /** Since the last time that a settled block was remembered: then it may be handed out again after a crash. */
  hasForgotten: boolean;
}

const GROUP_MS = 10;
const RECORD_HEADER_BYTES = 48;
const SEGMENT_HEADER_BYTES = 64;
const CURSOR_SYNC_MS = 1000;
/** Of every block, so that it can be told apart: number and filling. */
const SMALLEST_BODY = 24;

export interface QueueModel {
  /** How often interesting things happened. */
  readonly seen: Map<string, number>;
  readonly folder: FaultyFolder;
  begin(): Promise<void>;
  put(size: number, count: number): void;
  take(isHurried: boolean): void;
  settle(pick: number): void;
  evict(): Promise<void>;
  run(steps: number): Promise<void>;
  pass(ms: number): Promise<void>;
  faults(operation: Parameters<FaultyFolder['chances']['set']>[0], chance: number): void;
  fill(bytes: number): void;
  recover(): Promise<void>;
  /** `release` is a close by an owner that gives back what is under way. */
  restart(how: 'close' | 'release' | 'kill' | 'power', breaks: readonly Break[], damage?: Damage): Promise<void>;
  drain(): Promise<void>;
  end(): Promise<void>;
}

/** A start that is broken off after so many operations. */
export interface Break {
  readonly steps: number;
  readonly isPower: boolean;
}

export interface Damage {
  readonly file: number;
  readonly at: number;
  readonly is: 'flip' | 'cut' | 'insert' | 'zero';
  readonly length: number;
}

export function createQueueModel(options: ModelOptions, seed: number, seen: Map<string, number>): QueueModel {
  const folder = createFaultyFolder(seed);
  const clock: SimulatedClock = createSimulatedClock();
  const random = createRandom(seed + 1);
  const blocks: Known[] = [];
  const ids = new Map<string, number>();
  /** Items that were counted as lost, for whichever blocks. */
  let budget = 0;
  let expired = 0;
  /** Whether something happened that excuses damage. */
  let isDamageable = false;
  let crashes = 0;
  /** Whether damage made files longer. */
  let hasGrown = false;
  /** Whether a start cut something off that a power cut may bring back. */
  let hasCutUnsynced = false;
  /** Segments of the life before that a start could not sync, and said so. */
  const unsynced = new Set<unknown>();
  /** Whether the next start may find what was not gone for good behind the records of a segment. */
  let mayFindMore = false;
  /** Bytes that the queue may have now. */
  let most_bytes = options.capacity_bytes;
  let session: Session;

  const saw = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  const failures = (): number =>
    [...folder.failures].reduce((sum, [name, count]) => sum + (name === 'full' ? 0 : count), 0);

  function tell(own: Session, message: string, file: unknown): void {
    if (own.isDead) return;
    saw(message);
    // A disk that neither reads nor renames a file: the next start may, or not.
    if (message === 'Cannot use a segment, nor rename it') budget = Infinity;
    if (message === 'Cannot put the last segment in order') unsynced.add(file);
    if (message.startsWith('Cuts off') && options.sync === 'none') hasCutUnsynced = true;
    if (message.startsWith('Cannot remember')) {
      own.hasForgotten = true;
      // Segments are removed all the same, and look lost to the next start.
      isDamageable = true;
    }
  }

  function startSession(): Promise<void> {
    const boot = folder.boot();
    const own: Session = {
      store: createDiskStore({
        ...options,
        place: '/queue',
        folder: () => Promise.resolve(boot),
        lock: { isHeldHere: () => false, acquire: () => Promise.resolve(), release() {} },
        group_ms: GROUP_MS,
        minFree_bytes: 0,
        clock,
        tell: (message, fields) => tell(own, message, fields['file']),
      }),
      opened: undefined,
      openError: undefined,
      stored: 0,
      handed: 0,
      evicted: 0,
      lost: 0,
      lastNumber: -1,
      handedOut: new Set(),
      taken: [],
      putting: 0,
      isTaking: false,
      settling: 0,
      isDead: false,
      hasForgotten: false,
    };
    session = own;
    return own.store.open!({
      opened: (count) => void (own.opened = count),
      lost: (reason, count, why) => lost(own, reason, count, why),
      onRoom: () => saw('room again'),
    });
  }

  function lost(own: Session, reason: Loss, count: number, why: string): void {
    if (own.isDead) return;
    saw(reason === 'expired' ? reason : why.replace(/ \/.*/, ''));
    guard(() => expect(count, 'a loss of something').toBeGreaterThan(0));
    own.lost += count;
    budget += count;
    if (reason === 'queue_full') return;
    if (reason === 'corrupt') {
      guard(() => expect(isDamageable || failures() > 0, `no reason for: ${why}`).toBe(true));
      return;
    }
    expired += count;
    const old = blocks.filter(isOld).reduce((sum, block) => sum + block.count, 0);
    // They may come back in a crash, and expire again.
    guard(() => expect(expired, 'expired items').toBeLessThanOrEqual(old * (crashes + 1)));
  }

  function isOld({ time_ms }: Known): boolean {
    return options.maxAge_ms > 0 && clock.wall() - time_ms > options.maxAge_ms;
  }

  async function openQuietly(): Promise<void> {
    const before = failures();
    // No two processes start in the same millisecond.
    await clock.advance(1);
    const opening = startSession();
    const own = session;
    opening.catch((error: unknown) => (own.openError = error));
    await folder.quiet();
    await settled();
    if (own.openError !== undefined) {
      expect(failures(), `opens: ${String(own.openError)}`).toBeGreaterThan(before);
      saw('opening failed');
      own.isDead = true;
      folder.kill();
      folder.chances.clear();
      return openQuietly();
    }
    expect(own.opened, 'opened in the end').toBeGreaterThanOrEqual(0);
    if (failures() > before) relax();
    most_bytes = mayFindMore ? Math.max(options.capacity_bytes, own.store.bytes) : options.capacity_bytes;
    check();
  }

  /** A start that could not read the cursor, or not remove what was settled, repeats what was settled. */
  function relax(): void {
    for (const block of blocks) if (block.owed === 'never') block.owed = 'may';
  }

  function check(): void {
    expect(folder.misuse, 'use of closed files').toEqual([]);
    const segments = folder.names.filter((name) => name.endsWith('.queue'));
    if (segments.length > 1) saw('several segments');
    // A file system that removes nothing makes no room.
    if (!folder.failures.has('remove') && !hasGrown) expect(session.store.bytes).toBeLessThanOrEqual(most_bytes);
    if (failures() === 0 && !folder.failures.has('full') && !isDamageable) {
      const bytes = segments.reduce((sum, name) => sum + folder.peek(name)!.length, 0);
      expect(bytes, 'bytes of the segments').toBeLessThanOrEqual(options.capacity_bytes);
    }
    if (folder.names.some(isSetAside)) excuse(isSetAside);
  }

  /** What lies in a file that cannot be used is not owed. */
  function excuse(isMeant: (name: string) => boolean): void {
    for (const block of blocks) {
      if (block.owed !== 'must') continue;
      const found = folder.find(block.body);
      if (found !== undefined && isMeant(found.name)) block.owed = 'may';
    }
  }

  function numbered({ body }: Block): Known {
    return blocks[Buffer.from(body).readUInt32LE(0)]!;
  }

  function handOut(own: Session, block: Block | undefined): void {
    if (own.isDead || block === undefined) return;
    const bytes = Buffer.from(block.body);
    const known = blocks[bytes.length >= SMALLEST_BODY ? bytes.readUInt32LE(0) : -1];
    expect(known !== undefined && bytes.equals(known.body), 'bytes that were put').toBe(true);
    const { number, count, time_ms, owed, id, state } = known!;
    expect({ count: block.count, time_ms: block.time_ms, signal: block.signal }).toEqual({
      count,
      time_ms,
      signal: 'logs',
    });
    expect(owed, `block ${number} (${state})`).not.toBe('never');
    expect(own.handedOut.has(number), `block ${number} handed out before`).toBe(false);
    expect(id ?? block.id, `id of block ${number}`).toBe(block.id);
    expect(ids.get(block.id) ?? number, `block of id ${block.id}`).toBe(number);
    expect(isOld(known!), 'expired').toBe(false);
    if (options.order === 'fifo') expect(number).toBeGreaterThan(own.lastNumber);
    ids.set(block.id, number);
    own.lastNumber = number;
    own.handedOut.add(number);
    own.handed += count;
    own.taken.push(block);
    known!.id = block.id;
    if (known!.state !== 'gone') known!.state = 'taken';
    saw('handed out');
  }

  function take(isHurried: boolean): void {
    const own = session;
    if (own.isTaking) return;
    const next = own.store.take(isHurried);
    if (!(next instanceof Promise)) return handOut(own, next);
    own.isTaking = true;
    next.then(
      (block) => {
        own.isTaking = false;
        guard(() => handOut(own, block));
      },
      (error: unknown) => guard(() => expect(error, 'take').toBe(undefined)),
    );
  }

  /** What a check says in a callback is thrown by the next command. */
  let broken: unknown;
  function guard(checks: () => void): void {
    try {
      checks();
    } catch (error) {
      broken ??= error;
    }
  }

  function complain(): void {
    if (broken !== undefined) throw broken;
    check();
  }

  function put(size: number, count: number): void {
    const own = session;
    const length = Math.min(Math.max(size, SMALLEST_BODY), own.store.largest_bytes);
    if (!own.store.hasRoom(length)) return saw('no room');
    const number = blocks.length;
    const body = Buffer.alloc(length, random() < 0.2 ? 'SQR1' : String(number));
    body.writeUInt32LE(number);
    body.writeDoubleLE(random(), 4);
    body.writeDoubleLE(random(), 12);
    const time_ms = clock.wall();
    const block: Known = {
      number,
      body,
      count,
      time_ms,
      owed: 'may',
      id: undefined,
      isSettledForSure: false,
      state: 'asked',
    };
    blocks.push(block);
    own.putting += 1;
    Promise.resolve(own.store.put({ body, count, signal: 'logs', time_ms })).then(
      () => {
        if (own.isDead) return;
        own.putting -= 1;
        own.stored += count;
        if (block.state === 'asked') block.state = 'stored';
        if (block.state !== 'gone') block.owed = 'must';
        saw('stored');
        if (options.sync === 'always') guard(() => expect(isDurable(block), `${number} is durable`).toBe(true));
      },
      () => {
        if (own.isDead) return;
        own.putting -= 1;
        block.state = 'refused';
        saw('refused');
      },
    );
  }

  function isDurable({ body }: Known): boolean {
    const found = folder.find(body);
    if (found === undefined) return false;
    const { name, at } = found;
    return (
      folder.isDurable(name, 0, SEGMENT_HEADER_BYTES) &&
      folder.isDurable(name, at - RECORD_HEADER_BYTES, at + body.length)
    );
  }

  function settle(pick: number): void {
    const own = session;
    if (own.taken.length === 0) return;
    const [block] = own.taken.splice(pick % own.taken.length, 1);
    const known = numbered(block!);
    known.state = 'settling';
    known.owed = 'may';
    own.settling += 1;
    Promise.resolve(own.store.settle(block!)).then(
      () => {
        if (own.isDead) return;
        own.settling -= 1;
        known.state = 'settled';
        known.owed = own.hasForgotten ? 'may' : 'never';
        saw('settled');
      },
      (error: unknown) => guard(() => expect(error, 'settle').toBe(undefined)),
    );
  }

  /** Gives back what was taken; what has nowhere to go is counted. */
  function release(): void {
    for (const block of session.taken.splice(0)) session.store.release(block);
  }

  function evict(): void {
    const own = session;
    const evicted = own.store.evict();
    if (evicted === undefined) return;
    saw('evicted');
    own.evicted += evicted.count;
    // What is under way goes on, but has no place any more.
    for (const block of own.taken) {
      if (evicted.isOlder(block)) numbered(block).owed = 'may';
    }
    // The oldest that are not under way; after damage and crashes others may have been among them.
    let left = evicted.count;
    for (const block of blocks) {
      if (block.owed !== 'must' || own.handedOut.has(block.number)) continue;
      if (left < block.count) break;
      left -= block.count;
      block.state = 'gone';
      block.owed = 'may';
    }
    const isSure =
      options.maxAge_ms === 0 &&
      !isDamageable &&
      failures() === 0 &&
      blocks.every(({ owed, state }) => owed !== 'may' || state === 'gone');
    if (isSure) expect(left, 'evicts the oldest').toBe(0);
    budget += left;
  }

  async function quiet(): Promise<void> {
    await folder.quiet();
    await settled();
    await folder.quiet();
  }

  async function pass(ms: number): Promise<void> {
    const before = failures();
    await quiet();
    await clock.advance(ms);
    await quiet();
    if (failures() > before) return;
    if (options.sync === 'none' || session.putting > 0) return;
    if (ms >= GROUP_MS && options.sync === 'group' && (folder.failures.get('sync') ?? 0) === 0) {
      const underWay = new Set(session.taken.map(numbered));
      for (const block of blocks) {
        // Its segment may have been removed, with all else in it that is too old.
        if (underWay.has(block) && isOld(block)) continue;
        if (unsynced.has(folder.find(block.body)?.name)) continue;
        if (block.owed === 'must' && budget === 0)
          expect(isDurable(block), `${block.number} durable after group_ms`).toBe(true);
      }
    }
    if (ms < CURSOR_SYNC_MS || session.hasForgotten) return;
    for (const block of blocks) if (block.owed === 'never') block.isSettledForSure = true;
  }

  /** What is under way and too old has lost its place, perhaps: whoever ends without giving it back loses it. */
  function dropUnderWay(): void {
    for (const block of session.taken.map(numbered)) if (isOld(block)) block.owed = 'may';
  }

  function crash(isPower: boolean): void {
    saw('crash');
    crashes += 1;
    dropUnderWay();
    session.isDead = true;
    if (session.putting > 0) {
      saw('crash during a put');
      // Some records of a lot may be there, without those before them.
      isDamageable = true;
    }
    if (session.settling > 0) saw('crash during a settle');
    // What a failed write left behind, and nobody could take back, is counted from the next start on.
    if (folder.failures.has('truncate')) mayFindMore = true;
    if (!isPower) {
      folder.kill();
      return;
    }
    saw('power cut');
    // So may be what was cut off, or taken back, and not synced.
    if (hasCutUnsynced || folder.failures.has('sync')) mayFindMore = true;
    // What was taken back may be there again, in part.
    if (options.sync !== 'always' || folder.failures.has('full')) isDamageable = true;
    for (const block of blocks) {
      if (block.owed === 'must' && !isDurable(block)) {
        if (options.sync === 'always')
          expect(
            session.handedOut.has(block.number) || isOld(block) || budget > 0,
            `block ${block.number} (${block.state}) durable before the power cut; budget ${budget}`,
          ).toBe(true);
        block.owed = 'may';
      }
      if (block.owed === 'never' && !block.isSettledForSure) block.owed = 'may';
    }
    folder.cutPower();
  }

  async function close(): Promise<void> {
    await quiet();
    dropUnderWay();
    const before = failures();
    let isClosed = false;
    const own = session;
    const closing = own.store.close();
    closing.then(
      () => (isClosed = true),
      (error: unknown) => {
        isClosed = true;
        guard(() => expect(failures(), `close: ${String(error)}`).toBeGreaterThan(before));
      },
    );
    await quiet();
    expect(isClosed, 'closed in the end').toBe(true);
    own.isDead = true;
    if (failures() === before) {
      expect([...folder.open], 'files left open').toEqual([]);
      if (options.sync !== 'none' && !own.hasForgotten) {
        for (const block of blocks) if (block.owed === 'never') block.isSettledForSure = true;
      }
    }
    folder.kill();
  }

  function damage({ file, at, is, length }: Damage): void {
    const names = folder.names.filter((name) => folder.peek(name)!.length > 0);
    const name = names[file % Math.max(1, names.length)];
    if (name === undefined) return;
    saw(`damage: ${is}`);
    isDamageable = true;
    if (is === 'insert') hasGrown = true;
    const size = folder.peek(name)!.length;
    const from = at % size;
    for (const block of blocks) {
      const found = folder.find(block.body);
      if (found?.name !== name) continue;
      const isHit = from < found.at + block.body.length && (is !== 'flip' || from + length > found.at - 48);
      if (block.owed === 'must' && (isHit || from < SEGMENT_HEADER_BYTES)) block.owed = 'may';
    }
    if (name === 'cursor') relax();
    folder.alter(name, (data) => {
      const end = Math.min(from + length, size);
      if (is === 'cut') return data.subarray(0, from);
      if (is === 'insert')
        return Buffer.concat([data.subarray(0, from), Buffer.alloc(length, 'SQR1'), data.subarray(from)]);
      for (let index = from; index < end; index++) data[index] = is === 'zero' ? 0 : data[index]! ^ (1 + (index % 255));
      return data;
    });
  }

  async function recover(): Promise<void> {
    folder.chances.clear();
    folder.volume_bytes = Infinity;
    for (let round = 0; round < 3; round++) {
      await quiet();
      await clock.advance(1100);
    }
    await quiet();
    expect([session.putting, session.settling, session.isTaking], 'puts, settles and takes that hang').toEqual([
      0,
      0,
      false,
    ]);
  }

  async function drain(): Promise<void> {
    await recover();
    const own = session;
    for (;;) {
      const { handed } = own;
      take(false);
      await quiet();
      complain();
      expect(own.isTaking, 'a take that hangs').toBe(false);
      if (own.handed === handed) break;
    }
    saw('drained');
    const there = own.opened! + own.stored - own.evicted - own.lost;
    if (budget !== Infinity) expect(own.handed, 'items that were there').toBe(there);
    for (const block of blocks) {
      if (block.owed !== 'must' || own.handedOut.has(block.number)) continue;
      budget -= block.count;
      block.owed = 'may';
      expect(budget, `items lost without a count, among them block ${block.number}`).toBeGreaterThanOrEqual(0);
    }
    while (own.taken.length > 0) settle(0);
    await quiet();
    expect(own.settling, 'settles that hang').toBe(0);
  }

  async function restart(
    how: 'close' | 'release' | 'kill' | 'power',
    breaks: readonly Break[],
    hurt?: Damage,
  ): Promise<void> {
    complain();
    if (how === 'release') release();
    if (how === 'close' || how === 'release') await close();
    else crash(how === 'power');
    for (const { steps, isPower } of breaks) {
      // No two processes start in the same millisecond: numbers that leap ahead are those of the time.
      await clock.advance(1);
      void startSession().catch(() => undefined);
      for (let step = 0; step < steps; step++) await folder.step();
      if (failures() > 0) {
        relax();
        excuse(isSetAside);
      }
      crash(isPower);
    }
    if (hurt !== undefined) damage(hurt);
    for (const block of blocks) block.state = 'before';
    await openQuietly();
    complain();
  }

  return {
    seen,
    folder,
    begin: openQuietly,
    put(size, count) {
      put(size, count);
      complain();
    },
    take(isHurried) {
      take(isHurried);
      complain();
    },
    settle(pick) {
      settle(pick);
      complain();
    },
    async evict() {
      // What a read has just found is under way, and is no more among the oldest: it is known here a moment later.
      await settled();
      evict();
      complain();
    },
    async run(steps) {
      for (let step = 0; step < steps; step++) await folder.step();
      complain();
    },
    async pass(ms) {
      await pass(ms);
      complain();
    },
    faults: (operation, chance) => void folder.chances.set(operation, chance),
    fill: (bytes) => void (folder.volume_bytes = folder.bytes + bytes),
    async recover() {
      await recover();
      complain();
    },
    restart,
    drain,
    async end() {
      await drain();
      // It still works, and keeps what it is given; a volume that was full is asked once a second.
      session.store.hasRoom(SMALLEST_BODY);
      await pass(2000);
      expect(session.store.hasRoom(SMALLEST_BODY), 'room in an empty queue').toBe(true);
      put(SMALLEST_BODY, 1);
      await quiet();
      expect(blocks.at(-1)!.owed, 'a put in the end').toBe('must');
      await restart('close', []);
      await drain();
      if (budget !== Infinity) expect(blocks.at(-1)!.owed).toBe('never');
      await close();
      for (const [what, count] of folder.failures) seen.set(what, (seen.get(what) ?? 0) + count);
      complain();
    },
  };
}

function isSetAside(name: string): boolean {
  return name.endsWith('.bad');
}
