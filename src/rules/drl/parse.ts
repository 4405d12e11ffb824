/**
 * Parses the subset of the Drools rule language that docs/rules_drl.md describes: packages, rules with attributes, and what
 * stands between them. Conditions and consequences have files of their own.
 */
import { parseConditions } from './parse_conditions.ts';
import { parseConsequence } from './parse_consequence.ts';
import { Cursor, unsupported } from './cursor.ts';
import type { DrlFile, DrlRule } from './syntax.ts';
import { DrlError, tokensOf } from './tokens.ts';

/** Statements of a file that say nothing about rules over metrics. */
const NEEDLESS: ReadonlySet<string> = new Set(['import', 'dialect']);
const UNSUPPORTED_STATEMENTS: ReadonlySet<string> = new Set([
  'global',
  'function',
  'query',
  'declare',
  'unit',
  'template',
]);
const UNSUPPORTED_ATTRIBUTES: ReadonlySet<string> = new Set([
  'activation-group',
  'ruleflow-group',
  'lock-on-active',
  'date-effective',
  'date-expires',
  'auto-focus',
  'duration',
  'timer',
  'calendars',
]);

/** @throws {DrlError} at the first thing that is wrong or not supported */
export function parseDrl(text: string): DrlFile {
  const cursor = new Cursor(tokensOf(text));
  let packageName = '';
  const rules: DrlRule[] = [];
  const names = new Set<string>();
  while (cursor.next.kind !== 'end') {
    const { text: word } = cursor.next;
    if (cursor.skip(';')) continue;
    if (cursor.skip('package')) packageName = cursor.expectKind('name', 'the name of a package').text;
    else if (cursor.next.kind === 'name' && NEEDLESS.has(word)) skipStatement(cursor);
    else if (cursor.is('rule')) {
      const rule = parseRule(cursor);
      if (names.has(rule.name))
        throw new DrlError(`Cannot use rule "${rule.name}": the file has another of this name`, rule);
      names.add(rule.name);
      rules.push(rule);
    } else if (UNSUPPORTED_STATEMENTS.has(word)) throw unsupported(`"${word}"`, cursor.next);
    else throw cursor.unexpected('package, import or rule');
  }
  return { packageName, rules };
}

function skipStatement(cursor: Cursor): void {
  cursor.take();
  cursor.skip('static');
  cursor.skip('function');
  cursor.take();
}

function parseRule(cursor: Cursor): DrlRule {
  cursor.take();
  const name = cursor.next;
  if (name.kind !== 'text' && name.kind !== 'name') throw cursor.unexpected('the name of the rule');
  cursor.take();
  if (name.text === '') throw new DrlError('Cannot use a rule: its name is empty', name);
  const attributes = parseAttributes(cursor);
  cursor.expect('when', `in rule "${name.text}"`);
  cursor.skip(':');
  const condition = parseConditions(cursor);
  cursor.expect('then', `in rule "${name.text}"`);
  const consequence = parseConsequence(cursor, name);
  cursor.expect('end', `of rule "${name.text}"`);
  return { name: name.text, start: name.start, end: name.end, ...attributes, condition, consequence };
}

function parseAttributes(cursor: Cursor): Pick<DrlRule, 'salience' | 'agendaGroup' | 'isEnabled'> {
  let salience = 0;
  let agendaGroup = '';
  let isEnabled = true;
  for (;;) {
    cursor.skip(',');
    if (cursor.skip('attributes')) cursor.skip(':');
    else if (cursor.skip('salience')) salience = parseSalience(cursor);
    // A rule that is evaluated on a clock does not start itself again.
    else if (cursor.skip('no-loop')) parseTruth(cursor);
    else if (cursor.skip('enabled')) isEnabled = parseTruth(cursor);
    else if (cursor.skip('dialect')) cursor.expectKind('text', 'the name of a dialect');
    else if (cursor.skip('agenda-group')) agendaGroup = cursor.expectKind('text', 'the name of a group').text;
    else if (cursor.is('extends')) throw unsupported('"extends"', cursor.next, 'write its conditions out');
    else if (cursor.is('@'))
      throw unsupported('an annotation', cursor.next, 'use annotation("name", "text") after then');
    else if (UNSUPPORTED_ATTRIBUTES.has(cursor.next.text))
      throw unsupported(`attribute "${cursor.next.text}"`, cursor.next);
    else return { salience, agendaGroup, isEnabled };
  }
}

function parseSalience(cursor: Cursor): number {
  const isNegative = cursor.skip('-');
  const number = cursor.expectKind('number', 'a whole number after salience');
  if (!/^\d+$/.test(number.text)) throw unsupported(`a salience of ${number.text}`, number, 'it is a whole number');
  return isNegative ? -Number(number.text) : Number(number.text);
}

/** An attribute without a value is true. */
function parseTruth(cursor: Cursor): boolean {
  if (cursor.skip('false')) return false;
  cursor.skip('true');
  return true;
}
