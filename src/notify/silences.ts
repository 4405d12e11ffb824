/**
 * Which alerts nobody wants to hear of for a while: silences, as Alertmanager has them, and acknowledgements, which are
 * silences of one alert that end with it. One for the whole agent; kept in a file where there is one.
 */
import { randomUUID } from 'node:crypto';
import type { Labels, Matcher } from '../store/queryable.ts';
import { compileMatchers, type Matches } from './matchers.ts';

export interface Silence {
  readonly id: string;
  readonly matchers: readonly Matcher[];
  readonly startsAt_ms: number;
  readonly endsAt_ms: number;
  readonly updatedAt_ms: number;
  readonly createdBy: string;
  readonly comment: string;
  /** It is an acknowledgement: of the alert that has exactly the labels of its matchers, until that is resolved. */
  readonly untilResolved: boolean;
}

/** What is asked for; with the id of one that there is, it is changed. */
export type SilenceDraft = Omit<Silence, 'id' | 'updatedAt_ms'> & { readonly id?: string | undefined };

export interface Silences {
  /** All, with those that ended in the last five days; newest first. */
  list(now_ms: number): readonly Silence[];
  get(id: string, now_ms: number): Silence | undefined;
  /**
   * Makes or changes one. Where what it silences, or a beginning in the past, would change, the old one ends and another
   * with an id of its own begins.
   * @throws {SyntaxError} a matcher is none @throws {TypeError} something is missing or makes no sense
   * @throws {RangeError} it is too large, or there are too many
   */
  set(draft: SilenceDraft, now_ms: number): Silence;
  /** Ends one now; false where there is none with this id that still lasts. */
  expire(id: string, now_ms: number): boolean;
  /** Ids of the silences that hold for an alert with these labels. */
  silencedBy(labels: Labels, now_ms: number): readonly string[];
  /** Ends what acknowledged an alert with these labels. */
  resolved(labels: Labels, now_ms: number): void;
}

/** Where they outlive the process. */
export interface SilenceKeeper {
  load(): readonly Silence[];
  /** Never throws. */
  save(silences: readonly Silence[]): void;
}

export type SilenceState = 'pending' | 'active' | 'expired';

/** As in Alertmanager. */
export function silenceState({ startsAt_ms, endsAt_ms }: Silence, now_ms: number): SilenceState {
  if (endsAt_ms <= now_ms) return 'expired';
  return startsAt_ms > now_ms ? 'pending' : 'active';
}

/** How long those that ended are kept, for who looks back: Alertmanager’s `--data.retention`. */
const RETENTION_MS = 120 * 3_600_000;
const MOST_SILENCES = 1000;
const MOST_MATCHERS = 64;
const MOST_CHARACTERS = 4096;

interface Held {
  readonly silence: Silence;
  readonly matches: Matches;
}

/** Only in memory where nobody keeps them. */
export function createSilences(keeper?: SilenceKeeper): Silences {
  const held = new Map<string, Held>();
  for (const silence of keeper?.load() ?? []) hold(silence);

  function hold(silence: Silence): void {
    held.set(silence.id, { silence, matches: matchesOf(silence) });
  }

  function forgetOld(now_ms: number): void {
    for (const [id, { silence }] of held) if (silence.endsAt_ms + RETENTION_MS <= now_ms) held.delete(id);
  }

  function makeRoom(now_ms: number): void {
    forgetOld(now_ms);
    if (held.size < MOST_SILENCES) return;
    const [oldest] = [...held.values()]
      .map(({ silence }) => silence)
      .filter((silence) => silenceState(silence, now_ms) === 'expired')
      .toSorted((a, b) => a.endsAt_ms - b.endsAt_ms);
    if (oldest === undefined) throw new RangeError(`Cannot add a silence: there are ${held.size} already`);
    held.delete(oldest.id);
  }

  const save = (): void => keeper?.save([...held.values()].map(({ silence }) => silence));

  function end(silence: Silence, now_ms: number): void {
    // One that was still to begin never did.
    const startsAt_ms = Math.min(silence.startsAt_ms, now_ms);
    hold({ ...silence, startsAt_ms, endsAt_ms: now_ms, updatedAt_ms: now_ms });
  }

  return {
    list(now_ms) {
      forgetOld(now_ms);
      return [...held.values()].map(({ silence }) => silence).toSorted((a, b) => b.updatedAt_ms - a.updatedAt_ms);
    },
    get(id, now_ms) {
      forgetOld(now_ms);
      return held.get(id)?.silence;
    },
    set({ id, ...draft }, now_ms) {
      checkDraft(draft, now_ms);
      const before = id === undefined || id === '' ? undefined : held.get(id)?.silence;
      if (id !== undefined && id !== '' && before === undefined) {
        throw new TypeError(`Cannot change the silence ${JSON.stringify(id.slice(0, 64))}: there is none with this id`);
      }
      const silence: Silence =
        before !== undefined && canBecome(before, draft, now_ms)
          ? { ...draft, id: before.id, updatedAt_ms: now_ms }
          : { ...draft, startsAt_ms: Math.max(draft.startsAt_ms, now_ms), id: randomUUID(), updatedAt_ms: now_ms };
      const prepared = { silence, matches: matchesOf(silence) };
      if (!held.has(silence.id)) makeRoom(now_ms);
      if (before !== undefined && silenceState(before, now_ms) !== 'expired') end(before, now_ms);
      held.set(silence.id, prepared);
      save();
      return silence;
    },
    expire(id, now_ms) {
      const silence = held.get(id)?.silence;
      if (silence === undefined || silenceState(silence, now_ms) === 'expired') return false;
      end(silence, now_ms);
      save();
      return true;
    },
    silencedBy(labels, now_ms) {
      if (held.size === 0) return NONE;
      const ids: string[] = [];
      for (const { silence, matches } of held.values()) {
        if (silenceState(silence, now_ms) === 'active' && matches(labels)) ids.push(silence.id);
      }
      return ids;
    },
    resolved(labels, now_ms) {
      if (held.size === 0) return;
      let hasChanged = false;
      for (const { silence, matches } of held.values()) {
        if (!silence.untilResolved || silenceState(silence, now_ms) === 'expired' || !matches(labels)) continue;
        end(silence, now_ms);
        hasChanged = true;
      }
      if (hasChanged) save();
    },
  };
}

const NONE: readonly string[] = [];

function matchesOf({ matchers, untilResolved }: Silence): Matches {
  const matches = compileMatchers(matchers);
  if (!untilResolved) return matches;
  return (labels) => labels.size === matchers.length && matches(labels);
}

function checkDraft(draft: Omit<SilenceDraft, 'id'>, now_ms: number): void {
  const { matchers, startsAt_ms, endsAt_ms, createdBy, comment, untilResolved } = draft;
  const refuse = (why: string): never => {
    throw new TypeError(`Cannot silence: ${why}`);
  };
  if (matchers.length === 0) refuse('at least one matcher is needed');
  if (matchers.length > MOST_MATCHERS) throw new RangeError(`Cannot silence: at most ${MOST_MATCHERS} matchers`);
  const texts = [createdBy, comment, ...matchers.flatMap(({ name, value }) => [name, value])];
  if (texts.some((text) => text.length > MOST_CHARACTERS)) {
    throw new RangeError(`Cannot silence: a text is over ${MOST_CHARACTERS} characters`);
  }
  if (matchers.some(({ name }) => name === '')) refuse('a matcher names no label');
  if (untilResolved && matchers.some(({ op, value }) => op !== '=' || value === '')) {
    refuse('an acknowledgement names each label of the alert and its value, with =');
  }
  if (!Number.isFinite(startsAt_ms) || !Number.isFinite(endsAt_ms)) refuse('its beginning or end is no time');
  if (endsAt_ms <= startsAt_ms) refuse('it would end before it begins');
  if (endsAt_ms <= now_ms) refuse('it would end in the past');
  const matches = compileMatchers(matchers);
  // As in Alertmanager: what matches an alert without labels matches all there are.
  if (matches(new Map())) refuse('its matchers match everything; one must not match an empty value');
}

/** Whether one can be changed into the other, and does not have to end for it. */
function canBecome(before: Silence, draft: Omit<SilenceDraft, 'id'>, now_ms: number): boolean {
  const silencesTheSame =
    before.untilResolved === draft.untilResolved && JSON.stringify(before.matchers) === JSON.stringify(draft.matchers);
  if (!silencesTheSame) return false;
  const state = silenceState(before, now_ms);
  if (state === 'active') return draft.startsAt_ms === before.startsAt_ms;
  return state === 'pending' && draft.startsAt_ms >= now_ms;
}
