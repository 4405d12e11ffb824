/** Bodies of web hooks as a user writes them: Go templates over what Alertmanager's templates know of a message. */
import { builtins } from '../rules/template/builtins.ts';
import { DEFAULT_LIMITS, execute } from '../rules/template/execute.ts';
import type { Functions, TemplateFunction } from '../rules/template/function.ts';
import { FUNCTION_NAMES, prometheusFunctions } from '../rules/template/functions.ts';
import { parseTemplate } from '../rules/template/parser.ts';
import { AnyMap, isList, Struct, TemplateError, TextMap, Instant, type Value } from '../rules/template/values.ts';
import { messageOf } from '../errors.ts';
import type { WebhookAlert, WebhookBody } from './webhook.ts';

/** A message of many alerts is longer than an annotation may be; still it has an end. */
const LIMITS = { ...DEFAULT_LIMITS, steps: 200_000, output: 262_144, text: 262_144 };

const toJson: TemplateFunction = { kinds: ['any'], call: ([value]) => JSON.stringify(plain(value)) };

/** There is nothing to query when a message is sent. */
const query = (): never => {
  throw new TemplateError('query is not there in a message');
};
const FUNCTIONS: Functions = new Map([...prometheusFunctions({ query, externalURL: '' }), ['toJson', toJson]]);

/**
 * @returns what makes the text of a message @throws what is wrong with the template for that
 * @throws {SyntaxError} it is no template
 */
export function compileMessageTemplate(text: string): (body: WebhookBody) => string {
  let syntax: ReturnType<typeof parseTemplate>;
  try {
    syntax = parseTemplate(text, (name) => builtins.has(name) || FUNCTION_NAMES.has(name) || name === 'toJson');
  } catch (error) {
    throw new SyntaxError(`Cannot read the template: ${messageOf(error)}`, { cause: error });
  }
  const placeOf = (pos: number): string => `template: line ${text.slice(0, pos).split('\n').length}`;
  return (body) => {
    const expanded = execute(syntax, messageData(body), FUNCTIONS, placeOf, LIMITS);
    if (expanded.isCut)
      throw new TemplateError(`Cannot expand the template: over ${LIMITS.output} characters come of it`);
    return expanded.text;
  };
}

/** The fields of Alertmanager's `template.Data`; its lists Firing and Resolved are fields here, too. */
function messageData(body: WebhookBody): Struct {
  const alerts = body.alerts.map(alertData);
  const ofStatus = (status: string): Value => alerts.filter((_, index) => body.alerts[index]!.status === status);
  return struct('template.Data', {
    Receiver: body.receiver,
    Status: body.status,
    Alerts: alerts,
    Firing: ofStatus('firing'),
    Resolved: ofStatus('resolved'),
    GroupLabels: map(body.groupLabels),
    CommonLabels: map(body.commonLabels),
    CommonAnnotations: map(body.commonAnnotations),
    ExternalURL: body.externalURL,
    TruncatedAlerts: BigInt(body.truncatedAlerts),
    Overtaken: BigInt(body.overtaken ?? 0),
  });
}

function alertData(alert: WebhookAlert): Struct {
  return struct('template.Alert', {
    Status: alert.status,
    Labels: map(alert.labels),
    Annotations: map(alert.annotations),
    StartsAt: alert.startsAt,
    EndsAt: alert.endsAt,
    GeneratorURL: alert.generatorURL,
    Fingerprint: alert.fingerprint,
  });
}

const struct = (name: string, fields: Readonly<Record<string, Value>>): Struct =>
  new Struct(name, new Map(Object.entries(fields)));
const map = (entries: Readonly<Record<string, string>>): TextMap => new TextMap(new Map(Object.entries(entries)));

/** Of a value of a template, what JSON makes of it in Go. */
function plain(value: Value): unknown {
  if (value instanceof Struct) return fromEntries(value.fields);
  if (value instanceof TextMap) return Object.fromEntries(value.entries);
  if (value instanceof AnyMap) return fromEntries(value.entries);
  if (value instanceof Instant) return new Date(value.time_ms).toISOString();
  if (isList(value)) return value.map(plain);
  if (typeof value === 'bigint') return Number(value);
  return value ?? null;
}

function fromEntries(entries: ReadonlyMap<string, Value>): unknown {
  return Object.fromEntries([...entries].map(([name, value]) => [name, plain(value)]));
}
