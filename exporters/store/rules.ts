/** `/api/v1/rules` and `/api/v1/alerts`: what the judges on the board say, as Prometheus says it of its rules. */
import { createHash } from 'node:crypto';
import { compileMatchers } from '../../src/notify/matchers.ts';
import { parse } from '../../src/promql/parse.ts';
import { printExpression } from '../../src/promql/print.ts';
import type { Alert } from '../../src/rules/alert.ts';
import type { Board, RuleGroupStatus, RuleStatus } from '../../src/rules/board.ts';
import type { Labels, Matcher } from '../../src/store/queryable.ts';
import { ApiError, invalidParameter, type Answer } from './answers.ts';
import { booleanParameter } from './parameters.ts';

export function alertsAnswer(board: Pick<Board, 'judges'>): Answer {
  const alerts = groupsOf(board).flatMap(({ rules }) => rules.flatMap((rule) => rule.alerts.map(alertJson)));
  return { data: JSON.stringify({ alerts }) };
}

/** @param matchers of `match[]`, of which one list has to match the labels of a rule */
export function rulesAnswer(
  board: Pick<Board, 'judges'>,
  form: URLSearchParams,
  matchers: readonly (readonly Matcher[])[],
): Answer {
  const type = (form.get('type') ?? '').toLowerCase();
  if (!['', 'alert', 'record'].includes(type)) throw invalidParameter('type', `not supported value "${type}"`);
  const hasAlerts = !booleanParameter(form, 'exclude_alerts');
  const [names, groupNames, files] = ['rule_name[]', 'rule_group[]', 'file[]'].map((name) => form.getAll(name));
  const selections = matchers.map(compileMatchers);
  const isWanted = ({ type: kind, name, labels }: RuleStatus): boolean =>
    (type === '' || type === (kind === 'alerting' ? 'alert' : 'record')) &&
    has(names!, name) &&
    (selections.length === 0 || selections.some((matches) => matches(labels)));
  const groups = groupsOf(board)
    .filter(({ name, file }) => has(groupNames!, name) && has(files!, file))
    .map((group) => ({ ...group, rules: group.rules.filter(isWanted) }))
    .filter(({ rules }) => rules.length > 0);
  const { page, nextToken } = pageOf(groups, form);
  return {
    data: JSON.stringify({
      groups: page.map((group) => groupJson(group, hasAlerts)),
      ...(nextToken !== undefined && { groupNextToken: nextToken }),
    }),
  };
}

/** Nothing asked for is everything. */
const has = (wanted: readonly string[], name: string): boolean => wanted.length === 0 || wanted.includes(name);

/** By file, then by name. */
function groupsOf({ judges }: Pick<Board, 'judges'>): RuleGroupStatus[] {
  const order = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
  return [...judges].flatMap((judge) => judge.groups()).sort((a, b) => order(a.file, b.file) || order(a.name, b.name));
}

function pageOf(
  groups: readonly RuleGroupStatus[],
  form: URLSearchParams,
): { page: readonly RuleGroupStatus[]; nextToken?: string } {
  const [limitText, token] = [form.get('group_limit') ?? '', form.get('group_next_token') ?? ''];
  if (limitText === '') {
    if (token === '') return { page: groups };
    throw invalidParameter('group_next_token', 'group_limit needs to be present in order to paginate over the groups');
  }
  const limit = Number(limitText);
  if (!/^\d{1,9}$/.test(limitText) || limit === 0) {
    throw invalidParameter('group_limit', 'group_limit needs to be a valid number and greater than 0');
  }
  const from = token === '' ? 0 : groups.findIndex((group) => tokenOf(group) === token);
  if (from < 0) {
    const found = 'invalid group_next_token. were rule groups changed?';
    throw new ApiError('bad_data', `invalid parameter "group_next_token": ${found}`);
  }
  const next = groups[from + limit];
  return { page: groups.slice(from, from + limit), ...(next !== undefined && { nextToken: tokenOf(next) }) };
}

function tokenOf({ file, name }: RuleGroupStatus): string {
  return createHash('sha1').update(`${file};${name}`).digest('hex');
}

function groupJson(group: RuleGroupStatus, hasAlerts: boolean): unknown {
  return {
    name: group.name,
    file: group.file,
    rules: group.rules.map((rule) => ruleJson(rule, hasAlerts)),
    interval: group.interval_ms / 1000,
    limit: group.limit,
    evaluationTime: group.evaluation_s,
    lastEvaluation: timeText(group.lastEvaluation_ms),
  };
}

function ruleJson(rule: RuleStatus, hasAlerts: boolean): unknown {
  const { name, health, lastError } = rule;
  const query = canonical(rule.query);
  const common = {
    ...(lastError !== '' && { lastError }),
    health,
    evaluationTime: rule.evaluation_s,
    lastEvaluation: timeText(rule.lastEvaluation_ms),
    type: rule.type,
  };
  const labels = Object.fromEntries(rule.labels);
  if (rule.type === 'recording') return { name, query, labels, ...common };
  return {
    state: stateOf(rule.alerts),
    name,
    query,
    duration: rule.for_ms / 1000,
    keepFiringFor: rule.keepFiringFor_ms / 1000,
    labels,
    annotations: Object.fromEntries(rule.annotations),
    alerts: hasAlerts ? rule.alerts.map(alertJson) : null,
    ...common,
  };
}

/** Expressions that are remembered. */
const MOST_KEPT = 2000;
const kept = new Map<string, string>();

/** As Prometheus shows expressions, however the file has them. */
function canonical(query: string): string {
  let text = kept.get(query);
  if (text === undefined) {
    text = printExpression(parse(query));
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(query, text);
  }
  return text;
}

function stateOf(alerts: readonly Alert[]): string {
  if (alerts.some(({ state }) => state === 'firing')) return 'firing';
  return alerts.some(({ state }) => state === 'pending') ? 'pending' : 'inactive';
}

function alertJson({ labels, annotations, state, activeAt_ms, value }: Alert): unknown {
  return {
    labels: recordOf(labels),
    annotations: recordOf(annotations),
    state,
    activeAt: timeText(activeAt_ms),
    value: exponentText(value),
  };
}

const recordOf = (texts: Labels): Record<string, string> => Object.fromEntries(texts);

/** Go's zero time where it never was. */
function timeText(time_ms: number): string {
  return time_ms > 0 ? new Date(time_ms).toISOString() : '0001-01-01T00:00:00Z';
}

/** As Go's format 'e' with the fewest digits: `1e+00`. */
export function exponentText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const text = Object.is(value, -0) ? '-0e+0' : value.toExponential();
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}
