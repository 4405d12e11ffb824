import type { LogRecord } from '../../src/model/batch.ts';
import { textJson } from '../../src/text/value_json.ts';
import { resourceTree, setDataStream, setRecordAttributes } from './ecs_fields.ts';
import { bodyText, timeText, usableTime } from './fields.ts';
import type { Target } from './targets.ts';
import { renderTree, setLeaf } from './tree.ts';

/** A record in fields of the Elastic Common Schema. */
export function ecsLog(record: LogRecord, target: Target): string {
  const { time, observedTime, severityText, severityNumber, traceId, spanId, eventName, body, scope } = record;
  const tree = resourceTree(record.resource);
  setRecordAttributes(tree, scope.attributes);
  setRecordAttributes(tree, record.attributes);
  setDataStream(tree, target);
  const set = (name: string, text: string): void => {
    if (text !== '') setLeaf(tree, name, textJson(text));
  };
  set('@timestamp', timeText(usableTime(time, observedTime)));
  set('event.created', observedTime === 0n ? '' : timeText(usableTime(observedTime, time)));
  set('event.action', eventName);
  if (severityNumber !== 0) setLeaf(tree, 'event.severity', `${severityNumber}`);
  set('log.level', severityText);
  set('log.logger', scope.name);
  set('trace.id', traceId);
  set('span.id', spanId);
  if (body !== undefined && body !== null) setLeaf(tree, 'message', textJson(bodyText(body)));
  return renderTree(tree).pieces.join('');
}
