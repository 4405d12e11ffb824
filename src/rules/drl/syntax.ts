/** A rule file of Drools as it was parsed. */
import type { Token } from './tokens.ts';

export type Span = Pick<Token, 'start' | 'end'>;

export interface DrlFile {
  /** '' where there is none. */
  readonly packageName: string;
  readonly rules: readonly DrlRule[];
}

export interface DrlRule extends Span {
  readonly name: string;
  readonly salience: number;
  /** '' where there is none. */
  readonly agendaGroup: string;
  readonly isEnabled: boolean;
  readonly condition: Condition;
  readonly consequence: Consequence;
}

export type Condition =
  | (Span & { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] })
  | (Span & { readonly kind: 'not' | 'exists'; readonly part: Condition })
  | (Span & { readonly kind: 'pattern'; readonly pattern: Pattern })
  | (Span & { readonly kind: 'accumulate'; readonly accumulate: Accumulate });

export interface Pattern extends Span {
  /** `$m : Metric(…)` */
  readonly variable: string | undefined;
  /** `$d : labels["device"]`, by variable. */
  readonly bindings: ReadonlyMap<string, Field>;
  readonly constraint: Constraint | undefined;
  /** `over window:time(5m)`, milliseconds. */
  readonly window_ms: number | undefined;
}

export interface Accumulate {
  readonly source: Pattern;
  /** `$max : max($v)`, by variable. */
  readonly results: ReadonlyMap<string, AccumulateFunction>;
  /** Of the results: `$max > 90`. */
  readonly constraint: Constraint | undefined;
}

export type AccumulateFunction = 'average' | 'min' | 'max' | 'sum' | 'count';

export type Field =
  | { readonly kind: 'name' }
  | { readonly kind: 'value' }
  | { readonly kind: 'label'; readonly label: string }
  | { readonly kind: 'result'; readonly variable: string };

export type Constraint = { readonly kind: 'all' | 'any'; readonly parts: readonly Constraint[] } | Comparison;

export interface Comparison extends Span {
  readonly kind: 'comparison';
  readonly field: Field;
  readonly operator: Operator;
  readonly operand: Operand;
}

export type Operator =
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'matches'
  | 'not matches'
  | 'in'
  | 'not in'
  | 'contains'
  | 'not contains'
  | 'str[startsWith]'
  | 'str[endsWith]';

export type Operand =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'texts'; readonly texts: readonly string[] }
  | { readonly kind: 'variable'; readonly variable: string };

export interface Consequence {
  /** Parts of `alert("…" + $v)`; undefined where there is no alert. */
  readonly text: readonly TextPart[] | undefined;
  readonly severity: string | undefined;
  readonly for_ms: number;
  readonly keepFiringFor_ms: number;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, readonly TextPart[]>;
}

export type TextPart =
  | { readonly kind: 'text'; readonly text: string }
  | (Span & { readonly kind: 'variable'; readonly variable: string; readonly field: Field | undefined });
