/** Templates of labels and annotations: what they know of their alert, and what becomes of their errors. */
import { messageOf } from '../../errors.ts';
import { builtins } from './builtins.ts';
import { execute } from './execute.ts';
import { FUNCTION_NAMES, prometheusFunctions, type Surroundings } from './functions.ts';
import { TemplateSyntaxError } from './lexer.ts';
import { parseTemplate } from './parser.ts';
import { Struct, TemplateError, TextMap, type Value } from './values.ts';
import type { Syntax } from './syntax.ts';

/** What Prometheus puts before each text. */
const VARIABLES =
  '{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}';
const TYPE =
  'struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }';

export interface AlertData {
  /** Of the sample, `__name__` among them where it has one. */
  readonly labels: ReadonlyMap<string, string>;
  readonly externalLabels: ReadonlyMap<string, string>;
  readonly externalURL: string;
  /** A text for a histogram. */
  readonly value: number | string;
}

export interface AlertText {
  /** Never throws: where it cannot be expanded the text says why. */
  expand(data: Value, surroundings: Surroundings): ExpandedText;
}

export interface ExpandedText {
  readonly text: string;
  /** Why it is not what was meant. */
  readonly error: string | undefined;
}

export function alertData({ labels, externalLabels, externalURL, value }: AlertData): Struct {
  return new Struct(
    TYPE,
    new Map<string, Value>([
      ['Labels', new TextMap(labels)],
      ['ExternalLabels', new TextMap(externalLabels)],
      ['ExternalURL', externalURL],
      ['Value', value],
    ]),
  );
}

/** @throws {SyntaxError} what is wrong with the template of a label or annotation */
export function checkAlertText(text: string): void {
  if (text.includes('{{')) parse(text);
}

/** @param alert the name of the rule */
export function compileAlertText(text: string, alert: string): AlertText {
  // Most labels are plain.
  if (!text.includes('{{')) return { expand: () => ({ text, error: undefined }) };
  const name = `__alert_${alert}`;
  const placeOf = (pos: number): string => {
    const before = (VARIABLES + text).slice(0, pos);
    const lines = before.split('\n');
    const column = Buffer.byteLength(lines.at(-1)!);
    return `template: ${name}:${lines.length}:${column}: executing "${name}"`;
  };
  let syntax: Syntax | undefined;
  let fault: string | undefined;
  try {
    syntax = parse(text);
  } catch (error) {
    fault = `error parsing template ${name}: ${messageOf(error)}`;
  }
  const failed = (found: string): ExpandedText => ({ text: `<error expanding template: ${found}>`, error: found });
  return {
    expand(data, surroundings) {
      if (syntax === undefined) return failed(fault!);
      try {
        const expanded = execute(syntax, data, prometheusFunctions(surroundings), placeOf);
        if (!expanded.isCut) return { text: expanded.text, error: undefined };
        return { text: `${expanded.text}…`, error: 'longer than 4096 characters, and cut there' };
      } catch (error) {
        // A stack that is too small for it is the template's fault, too.
        if (!(error instanceof TemplateError || error instanceof RangeError)) throw error;
        return failed(`error executing template ${name}: ${error.message}`);
      }
    },
  };
}

function parse(text: string): Syntax {
  try {
    return parseTemplate(VARIABLES + text, (name) => builtins.has(name) || FUNCTION_NAMES.has(name));
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    const line = (VARIABLES + text).slice(0, error.pos).split('\n').length;
    throw new SyntaxError(`line ${line}: ${error.message}`, { cause: error });
  }
}
