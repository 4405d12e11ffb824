/** Silences as Alertmanager’s API v2 writes them; `untilResolved` is ours, and marks acknowledgements. */
import * as v from 'valibot';
import type { Matcher } from '../store/queryable.ts';
import { silenceState, type Silence, type SilenceDraft, type SilenceState } from './silences.ts';

/** `gettableSilence`. */
export interface GettableSilence {
  readonly id: string;
  readonly status: { readonly state: SilenceState };
  readonly updatedAt: string;
  readonly comment: string;
  readonly createdBy: string;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly matchers: readonly MatcherJson[];
  readonly untilResolved?: true;
}

export interface MatcherJson {
  readonly name: string;
  readonly value: string;
  readonly isRegex: boolean;
  /** True if left out. */
  readonly isEqual?: boolean | undefined;
}

export function toGettableSilence(silence: Silence, now_ms: number): GettableSilence {
  const { id, matchers, startsAt_ms, endsAt_ms, updatedAt_ms, createdBy, comment, untilResolved } = silence;
  return {
    id,
    status: { state: silenceState(silence, now_ms) },
    updatedAt: new Date(updatedAt_ms).toISOString(),
    comment,
    createdBy,
    startsAt: new Date(startsAt_ms).toISOString(),
    endsAt: new Date(endsAt_ms).toISOString(),
    matchers: matchers.map(matcherJson),
    ...(untilResolved && { untilResolved }),
  };
}

export function matcherJson({ name, op, value }: Matcher): MatcherJson {
  return { name, value, isRegex: op === '=~' || op === '!~', isEqual: op === '=' || op === '=~' };
}

const time = v.pipe(
  v.string(),
  // RFC 3339, and not whatever else Date.parse would take.
  v.regex(/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/, 'a time such as 2026-01-31T12:00:00Z'),
  v.transform((text) => Date.parse(text)),
);

/** `postableSilence`. */
const POSTABLE = v.object({
  id: v.optional(v.nullable(v.string())),
  matchers: v.array(
    v.object({
      name: v.string(),
      value: v.string(),
      isRegex: v.optional(v.boolean(), false),
      isEqual: v.optional(v.nullable(v.boolean()), true),
    }),
  ),
  startsAt: v.optional(time),
  endsAt: time,
  createdBy: v.optional(v.string(), ''),
  comment: v.optional(v.string(), ''),
  untilResolved: v.optional(v.boolean(), false),
});

/**
 * What was posted; without a beginning it is now.
 * @throws {SyntaxError} it is no JSON @throws {TypeError} it is no silence
 */
export function parseSilence(text: string, now_ms: number): SilenceDraft {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError('Cannot read the silence: it is no JSON', { cause: error });
  }
  const { success, output, issues } = v.safeParse(POSTABLE, value);
  if (!success) {
    const [issue] = issues;
    throw new TypeError(`Cannot read the silence: ${v.getDotPath(issue) ?? 'it'}: ${issue.message}`);
  }
  return {
    id: output.id ?? undefined,
    matchers: output.matchers.map(({ name, value, isRegex, isEqual }) => ({
      name,
      value,
      op: isRegex ? (isEqual === false ? '!~' : '=~') : isEqual === false ? '!=' : '=',
    })),
    startsAt_ms: output.startsAt ?? now_ms,
    endsAt_ms: output.endsAt,
    createdBy: output.createdBy,
    comment: output.comment,
    untilResolved: output.untilResolved,
  };
}

/** As Alertmanager filters: silences that have each of these matchers. */
export function matchesSilence(filters: readonly Matcher[], { matchers }: Silence): boolean {
  return filters.every((filter) =>
    matchers.some(({ name, op, value }) => name === filter.name && op === filter.op && value === filter.value),
  );
}
