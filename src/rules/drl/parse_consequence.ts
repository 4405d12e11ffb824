/** Parses what stands between `then` and `end`: statements that say what alert it is. */
import { parsePrometheusDuration } from '../duration.ts';
import { unsupported, type Cursor } from './cursor.ts';
import type { Consequence, Field, TextPart } from './syntax.ts';
import { DrlError, type Token } from './tokens.ts';

const STATEMENTS = ['alert', 'severity', 'for', 'keepFiringFor', 'label', 'annotation'];

/** @param rule the name of the rule, for what is missing as a whole. @throws {DrlError} */
export function parseConsequence(cursor: Cursor, rule: Token): Consequence {
  const labels = new Map<string, string>();
  const annotations = new Map<string, readonly TextPart[]>();
  const said = new Map<string, Token>();
  let text: readonly TextPart[] | undefined;
  let severity: string | undefined;
  let for_ms = 0;
  let keepFiringFor_ms = 0;
  while (!cursor.is('end')) {
    if (cursor.skip(';')) continue;
    const word = cursor.expectKind('name', `a statement: ${STATEMENTS.join(', ')}`);
    if (!STATEMENTS.includes(word.text) || !cursor.is('(')) {
      throw unsupported(`statement "${word.text}"`, word, `there are ${STATEMENTS.join(', ')}`);
    }
    const isRepeatable = word.text === 'label' || word.text === 'annotation';
    if (said.has(word.text) && !isRepeatable) throw new DrlError(`Cannot use ${word.text}(…): it is there twice`, word);
    said.set(word.text, word);
    cursor.take();
    if (word.text === 'alert') {
      text = parseText(cursor);
      if (cursor.skip(',')) severity = once(severity, cursor.expectKind('text', 'a severity in quotes'));
    } else if (word.text === 'severity') severity = once(severity, cursor.expectKind('text', 'a severity in quotes'));
    else if (word.text === 'for') for_ms = parseTime(cursor);
    else if (word.text === 'keepFiringFor') keepFiringFor_ms = parseTime(cursor);
    else {
      const name = cursor.expectKind('text', 'a name in quotes');
      cursor.expect(',', 'after the name');
      if (word.text === 'annotation') annotations.set(name.text, parseText(cursor));
      else labels.set(name.text, cursor.expectKind('text', 'a text in quotes').text);
    }
    cursor.expect(')', `after ${word.text}`);
    if (!cursor.is('end')) cursor.expect(';', `after ${word.text}(…)`);
  }
  if (text === undefined) throw new DrlError(`Cannot use rule "${rule.text}": it says no alert("…") after then`, rule);
  return { text, severity, for_ms, keepFiringFor_ms, labels, annotations };
}

function once(earlier: string | undefined, token: Token): string {
  if (earlier !== undefined) throw new DrlError('Cannot use a severity: there are two of them', token);
  return token.text;
}

function parseTime(cursor: Cursor): number {
  const token = cursor.next;
  if (token.kind !== 'duration' && token.kind !== 'text') throw cursor.unexpected('a time such as "5m"');
  cursor.take();
  const time_ms = parsePrometheusDuration(token.text);
  if (time_ms === undefined) throw new DrlError(`Cannot use "${token.text}": it is no time such as 5m`, token);
  return time_ms;
}

/** `"disk " + $d + " is at " + $m.value` */
function parseText(cursor: Cursor): readonly TextPart[] {
  const parts: TextPart[] = [];
  do {
    const { next } = cursor;
    if (next.kind === 'text') parts.push({ kind: 'text', text: cursor.take().text });
    else {
      const variable = cursor.expectKind('variable', 'a text in quotes, or a variable');
      parts.push({
        kind: 'variable',
        variable: variable.text,
        field: parseMember(cursor),
        start: next.start,
        end: next.end,
      });
    }
  } while (cursor.skip('+'));
  return parts;
}

/** `.value`, `.name`, `.labels["x"]`, and what Java calls them. */
function parseMember(cursor: Cursor): Field | undefined {
  if (!cursor.skip('.')) return undefined;
  const member = cursor.expectKind('name', 'value, name or labels["…"]');
  const isCall = cursor.is('(');
  if (isCall) {
    cursor.take();
    cursor.expect(')', `after ${member.text}(`);
  }
  if (member.text === (isCall ? 'getValue' : 'value')) return { kind: 'value' };
  if (member.text === (isCall ? 'getName' : 'name')) return { kind: 'name' };
  if (!isCall && (member.text === 'labels' || member.text === 'attributes')) {
    cursor.expect('[', `after ${member.text}`);
    const label = cursor.expectKind('text', 'the name of a label in quotes').text;
    cursor.expect(']', 'after the name of the label');
    return { kind: 'label', label };
  }
  throw unsupported(`member "${member.text}"`, member, 'there are value, name and labels["…"]');
}
