/** A group coordinator with the classic protocol (Kafka protocol guide, "Group Membership API"). */

export const ILLEGAL_GENERATION = 22;
export const UNKNOWN_MEMBER_ID = 25;
export const REBALANCE_IN_PROGRESS = 27;
export const MEMBER_ID_REQUIRED = 79;

export interface Joined {
  readonly error: number;
  readonly generation: number;
  readonly protocol: string;
  readonly leader: string;
  readonly memberId: string;
  /** For the leader: all members, with what they subscribe to. */
  readonly members: readonly { readonly id: string; readonly metadata: Buffer }[];
}

export interface Assigned {
  readonly error: number;
  readonly assignment: Buffer;
}

export interface Group {
  readonly generation: number;
  readonly memberIds: readonly string[];
  /** Committed offsets by `topic partition`. */
  readonly offsets: Map<string, bigint>;
  join(memberId: string, protocol: string, metadata: Buffer): Promise<Joined>;
  sync(memberId: string, generation: number, assignments: ReadonlyMap<string, Buffer>): Promise<Assigned>;
  /** Every member has been told what it has. */
  readonly isStable: boolean;
  heartbeat(memberId: string, generation: number): number;
  /** Offsets are taken as long as nobody else can have the partitions. */
  mayCommit(memberId: string, generation: number): number;
  leave(memberId: string): number;
}

interface Member {
  metadata: Buffer;
  joining: PromiseWithResolvers<Joined> | undefined;
}

/** How long a rebalance waits for further members, and for those that it has. */
const SETTLE_MS = 60;
const REJOIN_MS = 2000;

export function createGroup(): Group {
  const members = new Map<string, Member>();
  const offsets = new Map<string, bigint>();
  let generation = 0;
  let state: 'empty' | 'joining' | 'syncing' | 'stable' = 'empty';
  let leader = '';
  /** What the leader of this generation has decided. */
  let assigned = Promise.withResolvers<ReadonlyMap<string, Buffer>>();
  let ids = 0;
  let deadline: NodeJS.Timeout | undefined;

  function rebalance(): void {
    clearTimeout(deadline);
    state = members.size === 0 ? 'empty' : 'joining';
    if (state === 'joining') deadline = setTimeout(complete, REJOIN_MS);
  }

  /** Ends a rebalance: those who have not joined are members no longer. */
  function complete(): void {
    clearTimeout(deadline);
    for (const [id, member] of members) if (member.joining === undefined) members.delete(id);
    generation += 1;
    leader = members.keys().next().value ?? '';
    state = 'syncing';
    assigned = Promise.withResolvers();
    const all = [...members].map(([id, { metadata }]) => ({ id, metadata }));
    for (const [id, member] of members) {
      const known = id === leader ? all : [];
      member.joining!.resolve({ error: 0, generation, protocol: 'roundrobin', leader, memberId: id, members: known });
      member.joining = undefined;
    }
  }

  const problem = (memberId: string, of: number): number => {
    if (!members.has(memberId)) return UNKNOWN_MEMBER_ID;
    return of === generation ? 0 : ILLEGAL_GENERATION;
  };

  return {
    get generation() {
      return generation;
    },
    get isStable() {
      return state === 'stable';
    },
    get memberIds() {
      return [...members.keys()];
    },
    offsets,
    join(memberId, protocol, metadata) {
      const refusal = (error: number, id: string): Promise<Joined> =>
        Promise.resolve({ error, generation: -1, protocol, leader: '', memberId: id, members: [] });
      if (memberId === '') {
        const id = `member-${++ids}`;
        members.set(id, { metadata, joining: undefined });
        return refusal(MEMBER_ID_REQUIRED, id);
      }
      const member = members.get(memberId);
      if (member === undefined) return refusal(UNKNOWN_MEMBER_ID, '');
      if (state !== 'joining') rebalance();
      member.metadata = metadata;
      member.joining ??= Promise.withResolvers<Joined>();
      if ([...members.values()].every(({ joining }) => joining !== undefined)) {
        clearTimeout(deadline);
        deadline = setTimeout(complete, SETTLE_MS);
      }
      return member.joining.promise;
    },
    sync(memberId, of, assignments) {
      const error = state === 'joining' ? REBALANCE_IN_PROGRESS : problem(memberId, of);
      if (error !== 0) return Promise.resolve({ error, assignment: Buffer.alloc(0) });
      if (memberId === leader) {
        state = 'stable';
        assigned.resolve(assignments);
      }
      return assigned.promise.then((all) => ({ error: 0, assignment: all.get(memberId) ?? Buffer.alloc(0) }));
    },
    heartbeat(memberId, of) {
      const error = problem(memberId, of);
      if (error !== 0 || state === 'stable') return error;
      return state === 'joining' ? REBALANCE_IN_PROGRESS : 0;
    },
    mayCommit(memberId, of) {
      return state === 'syncing' ? REBALANCE_IN_PROGRESS : problem(memberId, of);
    },
    leave(memberId) {
      if (!members.delete(memberId)) return UNKNOWN_MEMBER_ID;
      rebalance();
      return 0;
    },
  };
}
