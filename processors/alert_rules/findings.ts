/** Transitions of alerts as events for the board. */
import { DoubleValue, type AnyValue } from '../../src/model/attributes.ts';
import { severityOf } from '../../src/notify/severity.ts';
import type { Alert } from '../../src/rules/alert.ts';
import type { Finding } from '../../src/rules/board.ts';
import type { AlertTransition } from '../../src/rules/evaluation.ts';

const NUMBERS = { info: 9, warning: 13, error: 17, critical: 21 } as const;
const INFO = 9;
/** Of what fires without saying how bad it is. */
const WARN = 13;

export function findingOf({ alert, to }: AlertTransition, time_ms: number): Finding {
  const { labels, annotations } = alert;
  const attributes: Record<string, AnyValue> = {
    'alert.name': alert.rule,
    'alert.group': alert.group,
    'alert.state': to,
    'alert.active_at': new Date(alert.activeAt_ms).toISOString(),
  };
  if (alert.firedAt_ms !== undefined) attributes['alert.fired_at'] = new Date(alert.firedAt_ms).toISOString();
  if (alert.resolvedAt_ms !== undefined) attributes['alert.resolved_at'] = new Date(alert.resolvedAt_ms).toISOString();
  attributes['alert.value'] = Number.isInteger(alert.value) ? new DoubleValue(alert.value) : alert.value;
  if (alert.generatorURL !== '') attributes['alert.generator_url'] = alert.generatorURL;
  for (const [name, value] of labels) if (name !== 'alertname') attributes[`alert.labels.${name}`] = value;
  for (const [name, value] of annotations) attributes[`alert.annotations.${name}`] = value;
  return {
    eventName: `alert.${to}`,
    time_ms,
    severityNumber: numberOf(alert, to),
    body: bodyOf(alert, to),
    attributes,
  };
}

/** What fires is as bad as its label `severity` says; what waits or is over is for information. */
function numberOf({ labels }: Alert, to: AlertTransition['to']): number {
  const severity = severityOf(labels);
  return to !== 'firing' ? INFO : severity === undefined ? WARN : NUMBERS[severity];
}

const VERBS = { pending: 'is pending', firing: 'fires', resolved: 'is resolved' } as const;

function bodyOf({ rule, annotations }: Alert, to: AlertTransition['to']): string {
  const summary = annotations.get('summary') ?? annotations.get('description') ?? annotations.get('message');
  return `Alert ${rule} ${VERBS[to]}${summary === undefined ? '' : `: ${summary}`}`;
}
